package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// D1, find a patient: by the practice's own number, or by what is known of them. Only ever by POST, so that names and
// birth dates stand in no URL and no log.

// A found patient is one registration that may be shown.
type foundPatient struct {
	ID    string
	Name  string
	Birth string
	Sex   string
	// Address is town and postal code, Phone the first number; Numbers the identifiers by which sites know them.
	Address, Phone string
	Numbers        []string
	// Own says that it is the practice's own registration; Site is where it is registered.
	Own  bool
	Site hie.SiteID
	// Grade is how surely it is who was sought: "certain", "probable", "possible", or "" for a number that is theirs.
	Grade string
	// Local is the identifier at a site of the network, zero when there is none.
	Local hie.Identifier
	// Also are other places that have registered the same person, as far as that may be told.
	Also []hie.SiteID

	score string // of the match it came with: registrations of one person share it
}

// gather makes one card of the registrations of one person: the practice's own leads, the others are named on it.
func gather(found []foundPatient) []foundPatient {
	var out []foundPatient
	for _, p := range found {
		i := slices.IndexFunc(out, func(o foundPatient) bool {
			return p.score != "" && o.score == p.score && o.Grade == p.Grade && o.Birth == p.Birth
		})
		switch {
		case i < 0:
			out = append(out, p)
		case p.Own && !out[i].Own:
			p.Also = append(slices.Clone(out[i].Also), out[i].Site)
			out[i] = p
		default:
			out[i].Also = append(out[i].Also, p.Site)
		}
	}
	return out
}

// readFoundPatient reads a Patient as the API serves it.
func (v *visit) readFoundPatient(raw []byte) (foundPatient, error) {
	var p fhir.Patient
	if err := (answer{body: raw}).into(&p); err != nil {
		return foundPatient{}, err
	}
	out := foundPatient{ID: p.ID, Birth: p.BirthDate, Sex: p.Gender, Name: nameOf(p.Name)}
	if len(p.Address) > 0 {
		a := p.Address[0]
		out.Address = strings.Join(slices.DeleteFunc([]string{strings.Join(a.Line, ", "), a.City, a.State, a.PostalCode}, func(s string) bool { return s == "" }), ", ")
	}
	for _, t := range p.Telecom {
		if t.System == "phone" && out.Phone == "" {
			out.Phone = t.Value
		}
	}
	for _, i := range p.Identifier {
		site, ok := v.deps.Network().SiteOf(i.System)
		if !ok {
			continue
		}
		out.Numbers = append(out.Numbers, i.Value+" ("+site.Name+")")
		if out.Local.IsZero() {
			out.Local, out.Site = hie.Identifier{System: i.System, Value: i.Value}, site.ID
			out.Own = v.deps.Network().Within(site.Org, v.session.Actor.Organization)
		}
	}
	return out, nil
}

// nameOf writes the first name out.
func nameOf(names []fhir.HumanName) string {
	for _, n := range names {
		if n.Text != "" {
			return n.Text
		}
		if s := strings.TrimSpace(strings.Join(slices.Concat(n.Given, []string{n.Family}, n.Suffix), " ")); s != "" {
			return s
		}
	}
	return ""
}

// findForm answers GET /find.
func (v *visit) findForm() error {
	v.show(http.StatusOK, "find", map[string]any{"Form": url.Values{}, "Faults": []fault(nil), "Asked": false})
	return nil
}

// find answers POST /find.
func (v *visit) find() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	var found []foundPatient
	var faults []fault
	number := strings.TrimSpace(form.Get("number"))
	switch {
	case number != "":
		found, err = v.byNumber(number)
	case strings.TrimSpace(form.Get("family")) == "" || form.Get("birth") == "":
		faults = []fault{{"number", "find.fault"}}
	default:
		found, err = v.byDemographics(form)
	}
	if err != nil {
		return err
	}
	status := http.StatusOK
	if faults != nil {
		status = http.StatusUnprocessableEntity
	}
	v.show(status, "find", map[string]any{"Form": form, "Faults": faults, "Asked": faults == nil, "Found": found})
	return nil
}

// byNumber finds registrations of the practice's own sites under a local number.
func (v *visit) byNumber(number string) ([]foundPatient, error) {
	n := v.deps.Network()
	var out []foundPatient
	for _, s := range n.Sites() {
		if !s.Active || !n.Within(s.Org, v.session.Actor.Organization) {
			continue
		}
		for _, system := range s.Authorities {
			q := url.Values{"identifier": {escapeToken(system) + "|" + escapeToken(number)}}
			var set fhir.Bundle
			if err := v.read(http.MethodPost, "/fhir/Patient/_search", []byte(q.Encode()), &set, "Content-Type", "application/x-www-form-urlencoded"); err != nil {
				return nil, err
			}
			found, err := v.patientsOf(set)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
	}
	return out, nil
}

// escapeToken escapes what has a meaning in a FHIR search value.
func escapeToken(s string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, "|", `\|`, "$", `\$`).Replace(s)
}

func (v *visit) patientsOf(set fhir.Bundle) ([]foundPatient, error) {
	var out []foundPatient
	for _, e := range set.Entry {
		if e.Search != nil && e.Search.Mode == "outcome" {
			continue
		}
		p, err := v.readFoundPatient(e.Resource)
		if err != nil {
			return nil, err
		}
		if e.Search != nil {
			if e.Search.Score != nil {
				p.score = strconv.FormatFloat(*e.Search.Score, 'g', -1, 64)
			}
			for _, x := range e.Search.Extension {
				if strings.HasSuffix(x.URL, "/match-grade") {
					p.Grade = x.ValueCode
				}
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// byDemographics asks the index who it might be.
func (v *visit) byDemographics(form url.Values) ([]foundPatient, error) {
	value := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	p := fhir.Patient{ResourceType: "Patient", BirthDate: value("birth"), Gender: value("sex")}
	name := fhir.HumanName{Family: value("family")}
	if given := value("given"); given != "" {
		name.Given = strings.Fields(given)
	}
	p.Name = []fhir.HumanName{name}
	if phone := value("phone"); phone != "" {
		p.Telecom = []fhir.ContactPoint{{System: "phone", Value: phone}}
	}
	if code, line := value("postcode"), value("street"); code != "" || line != "" {
		a := fhir.Address{PostalCode: code}
		if line != "" {
			a.Line = []string{line}
		}
		p.Address = []fhir.Address{a}
	}
	var set fhir.Bundle
	body := fhir.Parameters{ResourceType: "Parameters", Parameter: []fhir.Parameter{{Name: "resource", Resource: fhir.Encode(p)}}}
	if err := v.read(http.MethodPost, "/fhir/Patient/$match", body, &set, "Content-Type", "application/fhir+json"); err != nil {
		return nil, err
	}
	found, err := v.patientsOf(set)
	return gather(found), err
}

// Lead is where a found patient leads somebody of a duty.
func (p foundPatient) Lead(d access.Duty) string {
	if d == access.DutyDesk {
		return "/desk/" + p.ID
	}
	return "/patients/" + p.ID
}
