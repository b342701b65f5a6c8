package consent_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/consent"
)

// The oracle on codes, organisations and times.

var sensParent = map[string]string{"BH": "", "MH": "BH", "PSY": "BH", "PSYTHPN": "BH", "SUD": "BH", "ETHUD": "SUD", "OPIOIDUD": "SUD",
	"HIV": "", "SDV": "", "SEX": "", "STD": "", "GDIS": "", "REPRO": "", "SICKLE": "", "VIO": ""}

const levels = "ULMNRV"

func level(code string) int {
	if len(code) != 1 {
		return -1
	}
	return strings.Index(levels, code)
}

func syn(code string) string {
	if code == "ETH" {
		return "SUD"
	}
	return code
}

// sensUnder reports whether a is b or under it.
func sensUnder(a, b string) bool {
	for ; a != ""; a = sensParent[a] {
		if a == b {
			return true
		}
	}
	return false
}

var builtinParents = sync.OnceValue(readPurposes)

func purposeParents(local []consent.LocalPurpose) map[string]string {
	m := maps.Clone(builtinParents())
	for _, l := range local {
		if _, ok := m[string(l.Code)]; !ok {
			m[string(l.Code)] = string(l.Parent)
		}
	}
	return m
}

func readPurposes() map[string]string {
	m := map[string]string{}
	for _, line := range []string{
		"TREAT CLINTRL COC CAREMGT POPHLTH ETREAT", "ETREAT BTG ERTREAT",
		"HPAYMT CLMATTCH COVAUTH COVERAGE ELIGDTRM ELIGVER ENROLLM REMITADV PMTDS",
		"HOPERAT HLEGAL HACCRED HCOMPL HQUALIMP PATADMIN PATSFTY RECORDMGT TRAIN",
		"HRESCH BIORCH CLINTRCH DSRCH POARCH TRANSRCH", "PATRQT FAMRQT PWATRNY SUPNWK",
		"PUBHLTH DISASTER THREAT", "HMARKT", "GOVDTRM",
	} {
		f := strings.Fields(line)
		if _, ok := m[f[0]]; !ok {
			m[f[0]] = ""
		}
		for _, c := range f[1:] {
			m[c] = f[0]
		}
	}
	return m
}

func (o *oracle) chain(p string) []string {
	if o.parents == nil {
		o.parents = purposeParents(o.setup.Purposes)
	}
	m := o.parents
	var out []string
	for {
		if _, ok := m[p]; !ok || slices.Contains(out, p) {
			return out
		}
		out = append(out, p)
		p = m[p]
	}
}

func (o *oracle) knownPurpose(p string) bool    { return len(o.chain(p)) > 0 }
func (o *oracle) purposeUnder(p, q string) bool { return slices.Contains(o.chain(p), q) }

// speaks matches a stated purpose code against the asked one.
func (o *oracle) speaks(code, asked string, deny bool) int {
	switch {
	case !o.knownPurpose(code):
		return unk3
	case deny:
		return tri3(o.purposeUnder(asked, code))
	case o.purposeUnder(asked, "BTG"):
		return tri3(o.purposeUnder(code, "BTG") && o.purposeUnder(asked, code))
	}
	return tri3(o.purposeUnder(asked, code))
}

func (o *oracle) listed(id string) bool {
	return slices.ContainsFunc(o.setup.Organizations, func(g consent.Organization) bool { return string(g.ID) == id })
}

func (o *oracle) orgUnder(a, b string) bool {
	seen := map[string]bool{}
	for a != "" && !seen[a] && o.listed(a) {
		if a == b {
			return true
		}
		seen[a] = true
		i := slices.IndexFunc(o.setup.Organizations, func(g consent.Organization) bool { return string(g.ID) == a })
		a = string(o.setup.Organizations[i].Parent)
	}
	return false
}

func (o *oracle) site(id string) *consent.Site {
	for i := range o.setup.Sites {
		if string(o.setup.Sites[i].ID) == id {
			return &o.setup.Sites[i]
		}
	}
	return nil
}

func (o *oracle) rec(id string) *consent.Record {
	for i := range o.subj.Records {
		if o.subj.Records[i].ID == id {
			return &o.subj.Records[i]
		}
	}
	return nil
}

var zonesRead sync.Map

func zoneNamed(name string) *time.Location {
	if z, ok := zonesRead.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		z = time.UTC
	}
	zonesRead.Store(name, z)
	return z
}

func ref(s string) (kind, id string) {
	parts := strings.Split(s, "/")
	if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
		return "", ""
	}
	return parts[0], parts[1]
}

// fhirOffset is how the pattern of FHIR R4's dateTime ends.
var fhirOffset = regexp.MustCompile(`(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))$`)

// widest reads a date as its widest interval [from, to) or a dateTime as an instant.
func widest(s string, z *time.Location) (from, to time.Time, ok bool) {
	if strings.HasPrefix(s, "0000") { // FHIR has no year 0
		return time.Time{}, time.Time{}, false
	}
	for layout, add := range map[string][3]int{"2006": {1, 0, 0}, "2006-01": {0, 1, 0}, "2006-01-02": {0, 0, 1}} {
		if t, err := time.ParseInLocation(layout, s, z); err == nil && len(s) == len(layout) {
			return t, t.AddDate(add[0], add[1], add[2]), true
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil && fhirOffset.MatchString(s) {
		return t, t.Add(time.Nanosecond), true
	}
	return time.Time{}, time.Time{}, false
}

type window struct {
	from, to *time.Time // [from, to)
	bad      bool
	raw      consent.Period
}

func (w *window) holds(t time.Time) bool {
	return (w.from == nil || !t.Before(*w.from)) && (w.to == nil || t.Before(*w.to))
}

func (w *window) inside(v *window) bool {
	return (v.from == nil || w.from != nil && !w.from.Before(*v.from)) && (v.to == nil || w.to != nil && !w.to.After(*v.to))
}

func (w *window) overlaps(v *window) bool {
	return (w.from == nil || v.to == nil || w.from.Before(*v.to)) && (v.from == nil || w.to == nil || v.from.Before(*w.to))
}

func readWindow(p *consent.Period, z *time.Location) *window {
	if p == nil {
		return nil
	}
	w := &window{raw: *p}
	if p.Start != "" {
		f, _, ok := widest(p.Start, z)
		if w.from = &f; !ok {
			w.bad = true
		}
	}
	if p.End != "" {
		_, t, ok := widest(p.End, z)
		if w.to = &t; !ok {
			w.bad = true
		}
	}
	if !w.bad && w.from != nil && w.to != nil && !w.from.Before(*w.to) {
		w.bad = true
	}
	return w
}

// documentTimes reads the document's dates in its site's zone: the first instant of start, the last of end.
func (o *oracle) documentTimes() {
	z := time.UTC
	if s := o.site(string(o.doc.Site)); s != nil {
		z = zoneNamed(s.Zone)
	}
	o.doc.Start, o.doc.End = time.Time{}, time.Time{}
	if from, _, ok := widest(o.start, z); ok {
		o.doc.Start = from
	}
	if _, to, ok := widest(o.end, z); ok {
		o.doc.End = to.Add(-time.Nanosecond)
	}
}
