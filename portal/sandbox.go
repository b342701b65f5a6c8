package portal

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// I1 and I3, the sandbox: invented people with what to expect of each, and tokens of the demonstration's own clients. A real
// exchange has neither: it holds no client's key.

// A SandboxPerson is an invented person with what each site knows them by.
type SandboxPerson struct {
	// Story says what they are for; its words are sandbox.STORY and sandbox.STORY.expect.
	Name, Story, Birth string
	Numbers            []SandboxNumber
}

// A SandboxNumber is what one site knows a person by, and how many documents it has.
type SandboxNumber struct {
	Site          hie.SiteID
	System, Value string
	Documents     int
}

// A SandboxSite is a site of the demonstration that behaves otherwise than most: "slow", "failing" or "live", for one that does
// not publish and is asked each time. Its words are sandbox.site.BEHAVES.
type SandboxSite struct {
	ID      hie.SiteID
	Behaves string
}

// A SandboxClient is a client of the demonstration.
type SandboxClient struct {
	ID           hie.ClientID
	Name         string
	Organization string // its URI
	KeyFile      string
	Scopes       []string
	Purposes     []hie.Purpose
	// Roles a person can act in through it; none for a client that acts on its own.
	Roles []string
	// Patients says that each of its tokens is one patient's.
	Patients bool
}

// A SandboxAsk is what a token is wanted for. User and Role are "" for a client that acts on its own; Patient is the FHIR id
// of the patient who acts.
type SandboxAsk struct {
	Client              hie.ClientID
	Purpose             hie.Purpose
	User, Role, Patient string
}

// A SandboxToken is a token as the token endpoint granted it.
type SandboxToken struct {
	Token   string
	Scopes  []string
	Expires time.Duration
}

// sandboxCall is the call to try with a person, and why it is worth trying.
type sandboxCall struct {
	// Key is of its words.
	Key string
	// Form are the parameters of a GET, name and value.
	Path string
	Form []string
}

// Curl is the call as somebody would type it, with $B for the node and $T for a token.
func (c sandboxCall) Curl() string {
	out := `curl -s -G "$B` + c.Path + `" -H "Authorization: Bearer $T"`
	for _, f := range c.Form {
		out += " \\\n  --data-urlencode " + quoted(f)
	}
	return out
}

// quoted is s as one word of a POSIX shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Calls are what to try with the person, by the number the first site knows them by.
func (p SandboxPerson) Calls() (out []sandboxCall) {
	if len(p.Numbers) == 0 {
		return nil
	}
	id := "patient.identifier=" + p.Numbers[0].System + "|" + p.Numbers[0].Value
	return []sandboxCall{
		{"sandbox.call.presence", `/fhir/DocumentReference/\$presence`, []string{id}},
		{"sandbox.call.documents", "/fhir/DocumentReference", []string{id, "status=current"}},
		{"sandbox.call.pix", `/fhir/Patient/\$ihe-pix`, []string{"sourceIdentifier=" + p.Numbers[0].System + "|" + p.Numbers[0].Value}},
	}
}

// sandbox answers GET /integrator/people.
func (v *visit) sandbox() error {
	data := map[string]any{"Base": v.cfg.BaseURL, "People": nil, "Sites": nil, "Client": SandboxClient{}}
	if v.cfg.Demo != nil {
		data["People"], data["Sites"] = v.cfg.Demo.People, v.cfg.Demo.Sites
		for _, c := range v.cfg.Demo.Clients {
			if len(c.Roles) > 0 && slices.Contains(c.Purposes, hie.PurposeTreat) && v.ownsFirst(c) {
				data["Client"] = c
				break
			}
		}
	}
	v.show(http.StatusOK, "integrator/people", data)
	return nil
}

// resetPerson answers POST /integrator/people/reset: that somebody asked is recorded first; each step is then taken, and recorded, by
// whom it belongs to.
func (v *visit) resetPerson() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if v.cfg.Demo == nil || v.cfg.Demo.Reset == nil {
		return hie.ErrNotFound
	}
	if err := v.record(v.happened(audit.Administered, v.session.Actor, "sandbox reset")); err != nil {
		return err
	}
	if err := v.cfg.Demo.Reset(v.ctx, form.Get("person")); err != nil {
		return err
	}
	if err := v.say("sandbox.reset.done"); err != nil {
		return err
	}
	return v.redirect("/integrator/people")
}

// ownsFirst reports whether a client is of the organisation whose site gave the first person their first number: the calls of the
// page name people by such numbers.
func (v *visit) ownsFirst(c SandboxClient) bool {
	people := v.cfg.Demo.People
	if len(people) == 0 || len(people[0].Numbers) == 0 {
		return false
	}
	s, _ := v.deps.Network().Site(people[0].Numbers[0].Site)
	o, known := v.deps.Network().Organization(s.Org)
	return known && o.Identifier == c.Organization
}

// sandboxClient returns the demonstration's client of an id.
func (v *visit) sandboxClient(id string) (SandboxClient, bool) {
	i := slices.IndexFunc(v.cfg.Demo.Clients, func(c SandboxClient) bool { return string(c.ID) == id })
	if i < 0 {
		return SandboxClient{}, false
	}
	return v.cfg.Demo.Clients[i], true
}

// tokenForm answers GET /integrator/token?client=.
func (v *visit) tokenForm() error {
	if v.cfg.Demo == nil || v.cfg.Demo.Token == nil {
		v.show(http.StatusForbidden, "integrator/token", map[string]any{"Real": true})
		return nil
	}
	c, known := v.sandboxClient(v.c.Query("client"))
	if !known {
		c = v.cfg.Demo.Clients[0]
	}
	v.showToken(http.StatusOK, c, SandboxAsk{}, "", nil, nil)
	return nil
}

// A madeToken is a token with what it says and how it is used.
type madeToken struct {
	SandboxToken
	// Says is the token's payload, indented; Made the command that gets such a token, Use a call with it.
	Says, Made, Use string
	Until           time.Time
}

func (v *visit) showToken(status int, c SandboxClient, ask SandboxAsk, person string, faults []fault, made *madeToken) {
	v.show(status, "integrator/token", map[string]any{"Real": false, "Clients": v.cfg.Demo.Clients, "Client": c, "People": v.cfg.Demo.People, "Ask": ask,
		"Person": person, "Faults": faults, "Made": made})
}

// makeToken answers POST /integrator/token: the token is shown on this page alone. That it was made, and by whom, is recorded
// before it is; the token endpoint records that it was issued.
func (v *visit) makeToken() error {
	if v.cfg.Demo == nil || v.cfg.Demo.Token == nil {
		return v.tokenForm()
	}
	form, err := v.form()
	if err != nil {
		return err
	}
	c, known := v.sandboxClient(form.Get("client"))
	if !known {
		return hie.ErrNotFound
	}
	ask := SandboxAsk{Client: c.ID, Purpose: hie.Purpose(form.Get("purpose"))}
	var faults []fault
	if !slices.Contains(c.Purposes, ask.Purpose) {
		faults = append(faults, fault{"purpose", "token.fault.purpose"})
	}
	if len(c.Roles) > 0 && !c.Patients {
		ask.User, ask.Role = strings.TrimSpace(form.Get("user")), form.Get("role")
		if ask.User == "" {
			faults = append(faults, fault{"user", "token.fault.user"})
		}
		if !slices.Contains(c.Roles, ask.Role) {
			faults = append(faults, fault{"role", "token.fault.role"})
		}
	}
	if c.Patients {
		if ask.Patient, err = v.sandboxPatient(form.Get("person")); errors.Is(err, hie.ErrNotFound) {
			faults = append(faults, fault{"person", "token.fault.person"})
		} else if err != nil {
			return err
		}
	}
	if faults != nil {
		v.showToken(http.StatusUnprocessableEntity, c, ask, form.Get("person"), faults, nil)
		return nil
	}
	e := v.happened(audit.Administered, v.session.Actor, "sandbox token")
	e.Detail["client"], e.Detail["purpose"] = string(c.ID), string(ask.Purpose)
	if err := v.record(e); err != nil {
		return err
	}
	got, err := v.cfg.Demo.Token(v.ctx, ask)
	var inv *hie.InvalidError
	if errors.As(err, &inv) {
		v.showToken(http.StatusUnprocessableEntity, c, ask, form.Get("person"), []fault{{cmp.Or(inv.Path, "client"), "token.fault.refused"}}, nil)
		return nil
	}
	if err != nil {
		return err
	}
	v.showToken(http.StatusOK, c, ask, form.Get("person"), nil, &madeToken{SandboxToken: got, Says: payload(got.Token), Made: madeWith(c, ask),
		Use: v.useOf(c, got.Token), Until: v.now.Add(got.Expires).In(v.zone())})
	return nil
}

// sandboxPatient is the FHIR id of one of the demonstration's people, named by their first number; hie.ErrNotFound for any other.
func (v *visit) sandboxPatient(number string) (string, error) {
	for _, p := range v.cfg.Demo.People {
		if len(p.Numbers) > 0 && p.Numbers[0].Value == number {
			record, err := v.deps.RecordOf(v.ctx, hie.Identifier{System: p.Numbers[0].System, Value: number})
			if err != nil {
				return "", err
			}
			return v.deps.PatientID(record), nil
		}
	}
	return "", hie.ErrNotFound
}

// payload is what a signed token says, as JSON for reading; "" for what cannot be read.
func payload(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var says map[string]any
	if json.Unmarshal(raw, &says) != nil {
		return ""
	}
	out, err := json.MarshalIndent(says, "", "  ")
	if err != nil {
		return ""
	}
	return string(out)
}

// madeWith is the command that gets such a token with the client's key.
func madeWith(c SandboxClient, ask SandboxAsk) string {
	words := []string{"bin/concord token --client", quoted(string(c.ID)), "--key", quoted(c.KeyFile), "--org", quoted(c.Organization), "--purpose", quoted(string(ask.Purpose))}
	if ask.User != "" {
		words = append(words, "--user", quoted(ask.User), "--role", quoted(ask.Role))
	}
	if ask.Patient != "" {
		words = append(words, "--patient", quoted(ask.Patient))
	}
	return strings.Join(words, " ")
}

// useOf is a call the client may make with the token: the first its scopes allow.
func (v *visit) useOf(c SandboxClient, token string) string {
	call := "-G '" + v.cfg.BaseURL + "/fhir/metadata'"
	for _, try := range []struct{ scope, call string }{
		{"DocumentReference.", "-G '" + v.cfg.BaseURL + "/fhir/DocumentReference' -d status=current"},
		{"concord/match.read", "'" + v.cfg.BaseURL + "/admin/v1/match/tasks'"},
		{"concord/review.read", "'" + v.cfg.BaseURL + "/admin/v1/reviews'"},
		{"concord/site.read", "-G '" + v.cfg.BaseURL + "/fhir/Organization'"},
		{"AuditEvent.", "-G '" + v.cfg.BaseURL + "/fhir/AuditEvent'"},
	} {
		if !slices.ContainsFunc(c.Scopes, func(s string) bool { return strings.Contains(s, try.scope) }) {
			continue
		}
		call = try.call
		if try.scope == "DocumentReference." && !c.Patients && len(v.cfg.Demo.People) > 0 && len(v.cfg.Demo.People[0].Numbers) > 0 {
			n := v.cfg.Demo.People[0].Numbers[0]
			call += " \\\n  --data-urlencode " + quoted("patient.identifier="+n.System+"|"+n.Value)
		}
		break
	}
	return "T=" + token + "\ncurl -s " + call + ` \` + "\n  -H \"Authorization: Bearer $T\""
}
