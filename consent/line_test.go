package consent_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
)

// Cases written as spec consent-cases says, so that reading them is compared too. What is absent is left out or
// null by turns; times stand in whatever offset; members nobody reads stand beside those that are read.

type object = map[string]any

// put sets a member that may be absent: a zero value is left out, is null, or (a flag) is false.
func (g gen) put(o object, name string, v any) {
	switch v := v.(type) {
	case string:
		if v == "" {
			v := any(nil)
			if g.chance(50) {
				o[name] = v
			}
			return
		}
	case bool:
		if !v {
			if g.chance(50) {
				o[name] = pickOne[any](g, nil, false)
			}
			return
		}
	case []string:
		if v == nil {
			if g.chance(50) {
				o[name] = nil
			}
			return
		}
	}
	o[name] = v
}

func texts[T ~string](in []T) []string {
	if in == nil {
		return nil
	}
	out := []string{}
	for _, v := range in {
		out = append(out, string(v))
	}
	return out
}

// instant writes t in some offset; the zero Time is something that cannot be read, or nothing.
func (g gen) instant(t time.Time) string {
	if t.IsZero() {
		return pickOne(g, "", "soon", "2026-03-01", "2026-03-01T10:00:00")
	}
	return t.In(pickOne(g, time.UTC, time.UTC, time.FixedZone("", 9*3600), time.FixedZone("", -12600))).Format(time.RFC3339Nano)
}

func coding(codes ...string) []object {
	out := []object{}
	for _, c := range codes {
		switch c {
		case "":
			out = append(out, object{"display": "nothing"})
		default:
			out = append(out, object{"system": 7, "code": c})
		}
	}
	return out
}

func referenceTo(ref string) object {
	if ref == "" {
		return object{"display": "somebody"}
	}
	return object{"reference": ref}
}

// line writes the case of o.
func (o *oracle) line(g gen, id string) []byte {
	c := object{"id": id, "homeDefault": o.setup.HomeDefault, "unread": []any{nil, 7}}
	if now := g.instant(o.now); now != "" {
		c["now"] = now
	} else {
		c["now"] = "soon"
	}
	if o.setup.EmergencyHours != 4 || g.chance(50) {
		c["emergencyHours"] = o.setup.EmergencyHours
	}
	list := func(n int, f func(i int) object) any {
		out := []object{}
		for i := range n {
			out = append(out, f(i))
		}
		if n == 0 {
			return pickOne[any](g, nil, out)
		}
		return out
	}
	s := &o.setup
	c["purposes"] = list(len(s.Purposes), func(i int) object {
		p := object{"code": s.Purposes[i].Code}
		g.put(p, "parent", string(s.Purposes[i].Parent))
		return p
	})
	c["defaults"] = list(len(s.Defaults), func(i int) object {
		d := s.Defaults[i]
		out := object{"purposeClass": d.PurposeClass, "category": d.Category, "default": d.Rule}
		g.put(out, "network", d.Network)
		g.put(out, "site", string(d.Site))
		g.put(out, "jurisdiction", d.Jurisdiction)
		return out
	})
	c["organizations"] = list(len(s.Organizations), func(i int) object {
		out := object{"id": s.Organizations[i].ID}
		g.put(out, "parent", string(s.Organizations[i].Parent))
		return out
	})
	c["sites"] = list(len(s.Sites), func(i int) object {
		st := s.Sites[i]
		out := object{"id": st.ID, "labels": "labelled"}
		if st.Unlabelled {
			out["labels"] = "unlabelled"
		} else if g.chance(30) {
			delete(out, "labels")
		}
		g.put(out, "org", string(st.Org))
		g.put(out, "jurisdiction", st.Jurisdiction)
		g.put(out, "regimes", st.Regimes)
		g.put(out, "zone", st.Zone)
		g.put(out, "privilegedRoles", st.PrivilegedRoles)
		return out
	})
	c["policies"] = list(len(s.Policies), func(i int) object {
		p := s.Policies[i]
		out := object{"uri": p.URI}
		g.put(out, "additive", p.Additive)
		g.put(out, "widening", p.Widening)
		g.put(out, "onExpiry", p.OnExpiry)
		return out
	})
	c["rules"] = list(len(s.Rules), func(i int) object { return g.ruleLine(s.Rules[i]) })
	c["consents"] = list(len(o.dirs), func(i int) object { return g.consentLine(o.dirs[i]) })
	c["subject"] = o.subjectLine(g, list)
	c["request"] = o.requestLine(g)
	c["document"] = o.documentLine(g)
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return b
}

func (g gen) ruleLine(r consent.Rule) object {
	out := object{"id": r.ID, "layer": r.Layer, "effect": r.Effect}
	g.put(out, "kind", r.Kind)
	g.put(out, "overridable", r.Overridable)
	g.put(out, "emergencyClause", r.EmergencyClause)
	g.put(out, "obligations", r.Obligations)
	g.put(out, "start", g.instant(r.Start))
	g.put(out, "end", g.instant(r.End))
	sc := object{}
	for name, v := range map[string][]string{"purposes": texts(r.Scope.Purposes), "sites": texts(r.Scope.Sites), "regimes": r.Scope.Regimes,
		"jurisdictions": r.Scope.Jurisdictions, "requesterJurisdictions": r.Scope.RequesterJurisdictions, "classes": r.Scope.Classes,
		"labels": r.Scope.Labels, "orgs": texts(r.Scope.Orgs), "roles": r.Scope.Roles} {
		g.put(sc, name, v)
	}
	out["scope"] = sc
	return out
}

func (o *oracle) subjectLine(g gen, list func(int, func(int) object) any) object {
	out := object{"birthDate": "1970-01-01"}
	g.put(out, "homeJurisdiction", o.subj.Home)
	out["records"] = list(len(o.subj.Records), func(i int) object {
		r := o.subj.Records[i]
		link := map[hie.LinkState]string{hie.LinkConfirmed: "confirmed", hie.LinkTentative: "tentative"}[r.Link]
		if link == "" {
			link = pickOne(g, "disputed", "disputed", "guessed")
		}
		return object{"id": r.ID, "site": r.Site, "link": link}
	})
	out["proxies"] = list(len(o.subj.Proxies), func(i int) object {
		p := object{"ref": o.subj.Proxies[i].Ref}
		g.put(p, "start", o.subj.Proxies[i].Period.Start)
		g.put(p, "end", o.subj.Proxies[i].Period.End)
		return p
	})
	return out
}

func (o *oracle) requestLine(g gen) object {
	r := o.req
	out := object{"organization": r.Organization}
	g.put(out, "practitioner", r.Practitioner)
	g.put(out, "roles", r.Roles)
	g.put(out, "careTeams", r.CareTeams)
	g.put(out, "purposes", texts(r.Purposes))
	g.put(out, "instruments", r.Instruments)
	g.put(out, "abilities", r.Abilities)
	g.put(out, "jurisdiction", r.Jurisdiction)
	if e := r.Emergency; e != nil {
		c := object{"reasonCode": e.ReasonCode, "text": e.Text, "role": e.Role, "attested": e.Attested}
		g.put(c, "at", g.instant(e.At))
		out["emergency"] = c
	}
	return out
}

func (o *oracle) documentLine(g gen) object {
	d := o.doc
	out := object{"record": d.Record, "site": d.Site}
	g.put(out, "id", d.ID)
	for name, v := range map[string]string{"class": d.Class, "type": d.Type, "confidentiality": d.Confidentiality, "encounter": d.Encounter, "start": o.start, "end": o.end} {
		g.put(out, name, v)
	}
	g.put(out, "authors", d.Authors)
	g.put(out, "replaces", d.Replaces)
	state := map[consent.LabelState]string{consent.Labelled: "labelled", consent.LabelledInPart: "labelled", consent.Unlabelled: "unlabelled", consent.LabelsStale: "stale"}[d.LabelState]
	if state == "" {
		state = pickOne(g, "", "whatever")
	}
	g.put(out, "labelState", state)
	switch {
	case d.LabelState == consent.LabelledInPart: // what makes it so
	case d.Sensitivity == nil && d.LabelState == consent.Labelled:
		out["sensitivity"] = []string{}
	default:
		g.put(out, "sensitivity", d.Sensitivity)
	}
	return out
}

func (g gen) consentLine(d consent.Directive) object {
	r := object{"resourceType": "Consent", "status": d.Status, "category": 7}
	if d.Scope != "" {
		r["scope"] = object{"coding": append(coding(d.Scope), coding("adr")...)}
	} else if g.chance(50) {
		r["scope"] = object{"coding": coding("")}
	}
	refs := func(name string, in []string) {
		if in == nil {
			return
		}
		out := []object{}
		for _, v := range in {
			out = append(out, referenceTo(v))
		}
		r[name] = out
	}
	refs("performer", d.Performers)
	refs("organization", d.Organizations)
	if d.Policies != nil {
		out := []object{}
		for _, v := range d.Policies {
			out = append(out, object{"uri": v})
		}
		r["policy"] = out
	}
	if d.PolicyRules != nil {
		r["policyRule"] = object{"coding": coding(d.PolicyRules...)}
	}
	if d.Modified {
		r["modifierExtension"] = []object{{"url": "x"}}
	} else if g.chance(10) {
		r["modifierExtension"] = []object{}
	}
	contained := []object{{"resourceType": "Group", "id": "g", "organization": 7}}
	if d.Provision != nil {
		r["provision"] = g.provisionLine(*d.Provision, &contained)
	}
	r["contained"] = contained
	out := object{"resource": r, "filed": g.instant(d.Filed), "record": d.Record}
	g.put(out, "signed", g.instant(d.Signed))
	g.put(out, "verified", d.Verified)
	g.put(out, "networkWide", d.NetworkWide)
	g.put(out, "absolute", d.Absolute)
	g.put(out, "returnToDefault", d.ReturnToDefault)
	return out
}

func (g gen) provisionLine(p consent.Provision, contained *[]object) object {
	out := object{}
	g.put(out, "type", p.Type)
	span := func(name string, p *consent.Period) {
		if p != nil {
			o := object{}
			g.put(o, "start", p.Start)
			g.put(o, "end", p.End)
			out[name] = o
		}
	}
	span("period", p.Period)
	span("dataPeriod", p.DataPeriod)
	codes := func(name string, in []string) {
		if in != nil {
			out[name] = coding(in...)
		}
	}
	codes("securityLabel", p.Labels)
	codes("purpose", p.Purposes)
	codes("class", p.Classes)
	concepts := func(name string, in []string) {
		if in == nil {
			return
		}
		list := []object{}
		for _, c := range in {
			list = append(list, object{"coding": coding(c)})
		}
		out[name] = list
	}
	concepts("code", p.Codes)
	concepts("action", p.Actions)
	if p.Modified {
		out["modifierExtension"] = []object{{"url": "x"}}
	}
	for _, a := range p.Actors {
		actor := object{}
		switch a.Role {
		case "":
			g.put(actor, "role", "")
		case consent.UnknownRole:
			actor["role"] = object{"coding": coding("", "CST")}
		default:
			actor["role"] = object{"coding": coding(a.Role, "CST")}
		}
		ref := a.Reference
		if a.Team != nil {
			id := fmt.Sprint("pr", len(*contained))
			ref = "#" + id
			*contained = append(*contained, teamLine(*a.Team, id))
		}
		actor["reference"] = referenceTo(ref)
		list, _ := out["actor"].([]object)
		out["actor"] = append(list, actor)
	}
	if p.Data != nil {
		list := []object{}
		for _, d := range p.Data {
			list = append(list, object{"meaning": d.Meaning, "reference": referenceTo(d.Reference)})
		}
		out["data"] = list
	}
	if p.Provisions != nil {
		list := []object{}
		for _, k := range p.Provisions {
			list = append(list, g.provisionLine(k, contained))
		}
		out["provision"] = list
	}
	return out
}

func teamLine(t consent.PractitionerRole, id string) object {
	out := object{"resourceType": "PractitionerRole", "id": id}
	if t.HasOrganization {
		out["organization"] = referenceTo(t.Organization)
	}
	if t.HasPractitioner {
		out["practitioner"] = referenceTo(t.Practitioner)
	}
	list := []object{}
	for _, c := range t.Codes {
		list = append(list, object{"coding": coding(c)})
	}
	if t.Codes != nil {
		out["code"] = list
	}
	return out
}

// answer is what `concord consent decide` gives for a line whose case is called id.
func answer(line []byte, id string, zones *consentfhir.Zones) (v verdict, _ error) {
	var out struct {
		ID          string
		Release     bool
		Atoms       map[string]string
		Reason      string
		Layer       string
		Obligations []string
	}
	if err := json.Unmarshal(consentfhir.DecideLine(line, zones), &out); err != nil {
		return verdict{}, err
	}
	if out.ID != id {
		return verdict{}, fmt.Errorf("answered as %q", out.ID)
	}
	v = verdict{release: out.Release, reason: out.Reason, obligations: out.Obligations, atoms: map[string]bool{}}
	for a, s := range out.Atoms {
		v.atoms[a] = s == "permit"
	}
	if want := oracleLayers[out.Reason]; out.Layer != want {
		return verdict{}, fmt.Errorf("layer %q of %s, want %q", out.Layer, out.Reason, want)
	}
	return v, nil
}

// oracleLayers is the table of spec consent-cases, "Decision".
var oracleLayers = map[string]string{"INPUT": "gate", "LABEL_STALE": "gate", "EMERGENCY_INVALID": "emergency", "LAW_FORBID": "law", "LAW_REQUIRE": "law",
	"NETWORK_FORBID": "network", "NETWORK_REQUIRE": "network", "SITE_FORBID": "site", "SITE_REQUIRE": "site", "BTG_ONLY": "emergency",
	"LINK_DISPUTED": "identity", "ABSOLUTE": "patient", "DENY": "patient", "TOMBSTONE": "patient", "NOT_COVERED": "patient", "DEFAULT_DENY": "default",
	"DEFAULT_BTG": "default", "DEFAULT_NORMAL": "default", "OBLIGATION": "obligation", "EMERGENCY": "emergency", "MANDATE": "law", "PERMIT": "patient", "DEFAULT": "default"}
