package consent_test

import (
	"math"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// The oracle is a second reading of spec consent section 2 and spec consent-cases: slow, compiled from nothing,
// without a line in common with the engine. It goes through every rule anew for each atom and purpose, keeps
// codes as strings and looks nothing up in advance.

type oracle struct {
	setup consent.Setup
	subj  consent.Subject
	dirs  []consent.Directive
	req   consent.Request
	doc   consent.Document
	now   time.Time
	// start and end are the document's times as a case writes them; doc.Start and doc.End are what they mean.
	start, end string

	parents map[string]string // of purposes, read once a case
}

type verdict struct {
	release     bool
	atoms       map[string]bool
	reason      string
	obligations []string
}

const (
	no3 = iota
	unk3
	yes3
)

func tri3(b bool) int {
	if b {
		return yes3
	}
	return no3
}

// any3 is OR over values: TRUE if any, else UNKNOWN if any, else FALSE.
func any3(vs ...int) int {
	out := no3
	for _, v := range vs {
		out = max(out, v)
	}
	return out
}

var oracleOrder = []string{"INPUT", "LABEL_STALE", "EMERGENCY_INVALID", "LAW_FORBID", "LAW_REQUIRE", "NETWORK_FORBID", "NETWORK_REQUIRE",
	"SITE_FORBID", "SITE_REQUIRE", "BTG_ONLY", "LINK_DISPUTED", "ABSOLUTE", "DENY", "TOMBSTONE", "NOT_COVERED", "DEFAULT_DENY",
	"DEFAULT_BTG", "DEFAULT_NORMAL", "OBLIGATION", "EMERGENCY", "MANDATE", "PERMIT", "DEFAULT"}

func (o *oracle) ruleMatch(r consent.Rule, atom, purpose string) int {
	if !r.Start.IsZero() && o.now.Before(r.Start) || !r.End.IsZero() && !o.now.Before(r.End) {
		return no3
	}
	deny := r.Effect == consent.Forbid || r.Effect == consent.Require
	st := o.site(string(o.doc.Site))
	m := yes3
	list := func(n int, f func(i int) int) {
		if n > 0 {
			v := no3
			for i := range n {
				v = any3(v, f(i))
			}
			m = min(m, v)
		}
	}
	one := func(values []string, have string) {
		list(len(values), func(i int) int {
			if have == "" {
				return unk3
			}
			return tri3(values[i] == have)
		})
	}
	many := func(values, have []string) {
		list(len(values), func(i int) int {
			if have == nil {
				return unk3
			}
			return tri3(slices.Contains(have, values[i]))
		})
	}
	s := r.Scope
	list(len(s.Purposes), func(i int) int { return o.speaks(string(s.Purposes[i]), purpose, deny) })
	list(len(s.Sites), func(i int) int { return tri3(s.Sites[i] == o.doc.Site) })
	many(s.Regimes, st.Regimes)
	one(s.Jurisdictions, st.Jurisdiction)
	one(s.RequesterJurisdictions, o.req.Jurisdiction)
	one(s.Classes, o.doc.Class)
	if len(s.Labels) > 0 {
		var codes []string
		for _, c := range s.Labels {
			codes = append(codes, syn(c))
		}
		m = min(m, sensMatch(codes, atom, o.doc.LabelState == consent.Labelled, deny))
	}
	list(len(s.Orgs), func(i int) int { return o.orgRef(string(s.Orgs[i]), string(o.req.Organization)) })
	many(s.Roles, o.req.Roles)
	return m
}

var defaultOrder = []string{"permit", "basic-normal", "btg-only", "deny"}

func (o *oracle) defaultSays(purpose string) string {
	ch := o.chain(purpose)
	root := ch[len(ch)-1]
	classes := []string{o.doc.Class}
	if o.doc.Class == "" {
		classes = []string{"\x00nowhere"}
		for _, d := range o.setup.Defaults {
			if d.Category != "*" {
				classes = append(classes, d.Category)
			}
		}
	}
	worst := 0
	for _, class := range classes {
		var origins [][]consent.Default
		pick := func(f func(d consent.Default) bool) {
			var rows []consent.Default
			for _, d := range o.setup.Defaults {
				if f(d) && (d.PurposeClass == "*" || d.PurposeClass == root) && (d.Category == "*" || d.Category == class) {
					rows = append(rows, d)
				}
			}
			origins = append(origins, rows)
		}
		pick(func(d consent.Default) bool { return d.Network })
		pick(func(d consent.Default) bool { return d.Site == o.doc.Site })
		if o.setup.HomeDefault {
			if o.subj.Home == "" {
				return "deny"
			}
			pick(func(d consent.Default) bool { return d.Jurisdiction == o.subj.Home })
		}
		answered := false
		for _, rows := range origins {
			rank := func(d consent.Default) int {
				n := 0
				if d.PurposeClass != "*" {
					n += 2
				}
				if d.Category != "*" {
					n++
				}
				return n
			}
			top := -1
			for _, d := range rows {
				top = max(top, rank(d))
			}
			for _, d := range rows {
				if rank(d) == top {
					i := slices.Index(defaultOrder, d.Rule)
					if i < 0 {
						i = 3
					}
					worst, answered = max(worst, i), true
				}
			}
		}
		if !answered {
			return "deny"
		}
	}
	return defaultOrder[worst]
}

// emergency returns whether a claim was made and whether it is valid.
func (o *oracle) emergency() (claimed, valid bool) {
	e := o.req.Emergency
	if e == nil {
		return false, false
	}
	ok := utf8.RuneCountInString(strings.TrimSpace(e.Text)) >= 20 && strings.Contains(" unconscious life-threat severe-harm incapacity disaster ", " "+e.ReasonCode+" ") && e.ReasonCode != ""
	for _, p := range o.req.Purposes {
		ok = ok && o.purposeUnder(string(p), "TREAT")
	}
	for _, a := range []string{"emergency-exists", "consent-not-obtainable-in-time", "not-refused-if-able"} {
		ok = ok && slices.Contains(e.Attested, a)
	}
	ok = ok && slices.Contains(o.req.Roles, e.Role) && slices.Contains(o.site(string(o.doc.Site)).PrivilegedRoles, e.Role)
	until := e.At.Add(time.Duration(math.Round(o.setup.EmergencyHours*3600)) * time.Second) // no setup here says less than seconds
	return true, ok && !e.At.IsZero() && !o.now.Before(e.At) && o.now.Before(until)
}

func (o *oracle) decide() verdict {
	full := o.doc.LabelState == consent.Labelled
	var atoms []string
	if !full || len(o.doc.Sensitivity) == 0 {
		atoms = append(atoms, "plain")
	}
	for _, l := range o.doc.Sensitivity {
		if !slices.Contains(atoms, syn(l)) {
			atoms = append(atoms, syn(l))
		}
	}
	v := verdict{atoms: map[string]bool{}}
	refuse := func(reason string) verdict {
		for _, a := range atoms {
			v.atoms[a] = false
		}
		v.reason, v.release, v.obligations = reason, false, nil
		return v
	}
	bad := len(o.req.Purposes) == 0 || !o.listed(string(o.req.Organization)) || o.site(string(o.doc.Site)) == nil || o.rec(o.doc.Record) == nil || o.now.IsZero()
	for _, p := range o.req.Purposes {
		bad = bad || !o.knownPurpose(string(p))
	}
	for _, d := range o.dirs {
		bad = bad || d.Filed.IsZero()
	}
	if bad {
		return refuse("INPUT")
	}
	if o.doc.LabelState == consent.LabelsStale {
		return refuse("LABEL_STALE")
	}
	claimed, valid := o.emergency()
	if claimed && !valid {
		return refuse("EMERGENCY_INVALID")
	}
	duties := map[string]bool{}
	ruleDuties := map[string]bool{}
	st := o.site(string(o.doc.Site))
	disputed := o.rec(o.doc.Record).Link == hie.LinkDisputed
	best := ""
	for _, atom := range atoms {
		v.atoms[atom] = true
		for _, pp := range o.req.Purposes {
			r := o.pair(atom, string(pp), valid, disputed, st, duties, ruleDuties)
			if slices.Index(oracleOrder, r) < slices.Index(oracleOrder, "EMERGENCY") {
				v.atoms[atom] = false
			}
			if best == "" || slices.Index(oracleOrder, r) < slices.Index(oracleOrder, best) {
				best = r
			}
		}
	}
	v.reason = best
	if slices.Index(oracleOrder, best) < slices.Index(oracleOrder, "EMERGENCY") {
		return v
	}
	duties["AUDIT"], duties["RECHECK"] = true, true
	if level(o.doc.Confidentiality) >= 0 || len(o.doc.Sensitivity) > 0 {
		duties["LABELS"] = true
	}
	for _, p := range o.req.Purposes {
		if !o.purposeUnder(string(p), "TREAT") {
			duties["MINEC"] = true
		}
	}
	if valid {
		duties["BTG-REVIEW"], duties["NOTIFY-PATIENT"], duties["NOTIFY-SITE"] = true, true, true
	}
	for d := range ruleDuties {
		name := strings.SplitN(d, ":", 2)[0]
		if name != "AOD" && name != "P2-EMERGENCY-RECORD" && !slices.Contains(o.req.Abilities, name) {
			return refuse("OBLIGATION")
		}
		duties[d] = true
	}
	v.release = true
	for d := range duties {
		v.obligations = append(v.obligations, d)
	}
	sort.Strings(v.obligations)
	return v
}

func (o *oracle) pair(atom, purpose string, valid, disputed bool, st *consent.Site, duties, ruleDuties map[string]bool) string {
	refusals := map[string]bool{}
	mandate, replaced, unmet := false, false, false
	for _, r := range o.setup.Rules {
		m := o.ruleMatch(r, atom, purpose)
		if m == no3 {
			continue
		}
		for _, d := range r.Obligations {
			ruleDuties[d] = true
		}
		name := strings.ToUpper(string(r.Layer)) + "_" + string(r.Effect)
		switch {
		case r.Effect == consent.Mandate:
			mandate = mandate || m == yes3 && r.Layer == consent.LayerLaw
		case r.Effect == consent.Neutral, r.Effect == consent.Require && r.Kind != "" && slices.Contains(o.req.Instruments, r.Kind):
		case valid && r.Layer != consent.LayerLaw && r.Overridable:
			replaced = true
		case valid && r.Layer == consent.LayerLaw && r.Effect == consent.Require && r.EmergencyClause:
			replaced, unmet = true, true
			if r.Kind == "part2-consent" {
				duties["P2-EMERGENCY-RECORD"] = true
			}
		default:
			refusals[name] = true
		}
	}
	for _, name := range oracleOrder {
		if refusals[name] {
			return name
		}
	}
	permit := func(r string) string {
		if replaced {
			return "EMERGENCY"
		}
		return r
	}
	if o.purposeUnder(purpose, "BTG") && !valid {
		return "BTG_ONLY"
	}
	if mandate && !unmet && !disputed {
		if !replaced {
			duties["AOD"] = true
		}
		return permit("MANDATE")
	}
	r, absolute := o.patientSays(atom, purpose)
	if r == "PERMIT" {
		return permit("PERMIT")
	}
	if disputed {
		return "LINK_DISPUTED"
	}
	if r == "" {
		switch o.defaultSays(purpose) {
		case "permit":
			return permit("DEFAULT")
		case "basic-normal":
			l := level(o.doc.Confidentiality)
			if l < 0 && st.Unlabelled && o.doc.LabelState != consent.Labelled && o.doc.LabelState != consent.LabelledInPart {
				l = 3
			}
			if l >= 0 && l <= 3 && o.purposeUnder(purpose, "TREAT") && !o.purposeUnder(purpose, "BTG") {
				return permit("DEFAULT")
			}
			r = "DEFAULT_NORMAL"
		case "btg-only":
			r = "DEFAULT_BTG"
		default:
			r = "DEFAULT_DENY"
		}
	}
	if !valid || absolute || slices.Contains([]string{"", "psychotherapy-note", "sud-counselling-note"}, o.doc.Class) {
		return r
	}
	full := o.doc.LabelState == consent.Labelled
	vague := atom == "plain" && !full
	if vague && !st.Unlabelled || !vague && sensMatch([]string{"PSYTHPN"}, atom, full, true) != no3 {
		return r
	}
	return "EMERGENCY"
}
