package portal

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// O6, policies: draft, simulate over everybody, a second person approves, from when on, roll back.

// A policy is a law pack or the rules of the network or a site, as the API gives it.
type policy struct {
	Policy   string       `json:"policy"`
	Kind     string       `json:"kind"`
	Title    string       `json:"title"`
	State    string       `json:"state"`
	InForce  int64        `json:"in_force"`
	Edition  string       `json:"edition"`
	Versions int64        `json:"versions"`
	Next     time.Time    `json:"next"`
	Steps    []policyStep `json:"steps"`
}

// A policyStep is one step in a policy's life.
type policyStep struct {
	Version   int64     `json:"version"`
	Action    string    `json:"action"`
	At        time.Time `json:"at"`
	By        string    `json:"by"`
	Effective time.Time `json:"effective"`
	Note      string    `json:"note"`
}

// Did reports whether version went through action.
func (p policy) Did(action string, version int64) bool {
	return slices.ContainsFunc(p.Steps, func(s policyStep) bool { return s.Action == action && s.Version == version })
}

// Newest is the newest version that was drafted, 0 for none.
func (p policy) Newest() (n int64) {
	for _, s := range p.Steps {
		if s.Action == "draft" {
			n = max(n, s.Version)
		}
	}
	return n
}

// Active reports whether a version was ever put in force, so that there is something to roll back.
func (p policy) Active() bool {
	return slices.ContainsFunc(p.Steps, func(s policyStep) bool { return s.Action == "activate" })
}

// policies answers GET /officer/policies.
func (v *visit) policies() error { return v.showPolicies(http.StatusOK, "", nil) }

func (v *visit) showPolicies(status int, content string, faults []fault) error {
	var in struct {
		Policies []policy `json:"policies"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/policies", nil, &in); err != nil {
		return err
	}
	for i := range in.Policies {
		if !in.Policies[i].Next.IsZero() {
			in.Policies[i].Next = in.Policies[i].Next.In(v.zone())
		}
	}
	v.show(status, "officer/policies", map[string]any{"Policies": in.Policies, "Content": content, "Faults": faults})
	return nil
}

// draftPolicy answers POST /officer/policies: a new version, which changes nothing yet.
func (v *visit) draftPolicy() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	content := strings.TrimSpace(form.Get("content"))
	if !json.Valid([]byte(content)) {
		return v.showPolicies(http.StatusUnprocessableEntity, content, []fault{{"content", "policies.fault.json"}})
	}
	body := map[string]any{"content": json.RawMessage(content), "note": strings.TrimSpace(form.Get("note"))}
	if s := strings.TrimSpace(form.Get("signature")); s != "" {
		body["signature"] = s
	}
	var step struct {
		Policy string `json:"policy"`
	}
	if err := v.read(http.MethodPost, "/admin/v1/policies", body, &step); err != nil {
		return err
	}
	if err := v.say("policies.drafted"); err != nil {
		return err
	}
	return v.redirect("/officer/policies/" + url.PathEscape(step.Policy))
}

// An impact is what a version would change.
type impact struct {
	Patients int64 `json:"patients"`
	Changed  int64 `json:"changed"`
	// MoreCells are those that are not listed.
	MoreCells int64 `json:"more_cells"`
	Cells     []struct {
		Site      hie.SiteID `json:"site"`
		Purpose   string     `json:"purpose"`
		Class     string     `json:"class"`
		Label     string     `json:"label"`
		Level     string     `json:"confidentiality"`
		Requester string     `json:"requester"`
		Emergency bool       `json:"emergency"`
		Before    string     `json:"before"`
		After     string     `json:"after"`
		Opens     bool       `json:"opens"`
		Closes    bool       `json:"closes"`
		Patients  int64      `json:"patients"`
	} `json:"cells"`
}

// policyPage answers GET /officer/policies/:policy.
func (v *visit) policyPage() error { return v.showPolicy(http.StatusOK, nil, nil) }

func (v *visit) showPolicy(status int, found *impact, faults []fault) error {
	var p policy
	if err := v.read(http.MethodGet, policyPath(v.c.Param("policy")), nil, &p); err != nil {
		return err
	}
	for i := range p.Steps {
		p.Steps[i].At = p.Steps[i].At.In(v.zone())
		if !p.Steps[i].Effective.IsZero() {
			p.Steps[i].Effective = p.Steps[i].Effective.In(v.zone())
		}
	}
	slices.Reverse(p.Steps)
	newest := p.Newest()
	said, err := v.statements(p)
	if err != nil {
		return err
	}
	mine := slices.ContainsFunc(p.Steps, func(s policyStep) bool { return s.Action == "draft" && s.Version == newest && s.By == v.me() })
	v.show(status, "officer/policy", map[string]any{"Policy": p, "Statements": said, "Newest": newest, "Mine": mine, "Simulated": p.Did("simulate", newest), "Approved": p.Did("approve", newest),
		"Activated": p.Did("activate", newest), "Impact": found, "Faults": faults})
	return nil
}

// A policyStatement is what recipients are told by a policy, in the reader's language.
type policyStatement struct {
	Code, Source, Long, Short string
	Scope                     bool
}

// statements are those of the version of p in force; of one never activated, of the newest, else of the program's own.
func (v *visit) statements(p policy) (out []policyStatement, _ error) {
	version := p.InForce
	if version == 0 && p.State != "in force" {
		version = p.Newest()
	}
	var stored struct {
		Content struct {
			Statements []struct {
				Code   string `json:"code"`
				Source string `json:"source"`
				Scope  bool   `json:"scope"`
				Words  map[string]struct {
					Long  string `json:"long"`
					Short string `json:"short"`
				} `json:"words"`
			} `json:"statements"`
		} `json:"content"`
	}
	if err := v.read(http.MethodGet, policyPath(p.Policy)+"/versions/"+strconv.FormatInt(version, 10), nil, &stored); err != nil {
		return nil, err
	}
	for _, s := range stored.Content.Statements {
		w := s.Words[v.language]
		out = append(out, policyStatement{Code: s.Code, Source: s.Source, Scope: s.Scope, Long: w.Long, Short: w.Short})
	}
	return out, nil
}

func policyPath(id string) string { return "/admin/v1/policies/" + url.PathEscape(id) }

func (v *visit) versionPath() string {
	return policyPath(v.c.Param("policy")) + "/versions/" + url.PathEscape(v.c.Param("version"))
}

// simulatePolicy answers POST …/versions/:version/simulate: what would change for everybody, shown and noted.
func (v *visit) simulatePolicy() error {
	var found impact
	if err := v.read(http.MethodPost, v.versionPath()+"/simulate", map[string]any{}, &found); err != nil {
		return err
	}
	return v.showPolicy(http.StatusOK, &found, nil)
}

// stepPolicy returns the handler of approve, activate or rollback.
func stepPolicy(action, said string) func(*visit) error {
	return func(v *visit) error {
		form, err := v.form()
		if err != nil {
			return err
		}
		body := map[string]any{"note": strings.TrimSpace(form.Get("note"))}
		if from := strings.TrimSpace(form.Get("effective")); from != "" && action == "activate" {
			at, ok := v.instant(from)
			if !ok { // never at once because a day could not be read
				return hie.Invalid("effective", "must be a date and time, such as 2027-01-31T08:00, or nothing for at once")
			}
			body["effective"] = at.UTC().Format(time.RFC3339)
		}
		path := v.versionPath() + "/" + action
		if action == "rollback" {
			path = policyPath(v.c.Param("policy")) + "/rollback"
		}
		if _, err := v.call(http.MethodPost, path, body); err != nil {
			return err
		}
		if err := v.say(said); err != nil {
			return err
		}
		return v.redirect("/officer/policies/" + url.PathEscape(v.c.Param("policy")))
	}
}
