package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// W2, compare: two to six registrations as columns, what they say as rows, with what each field speaks for and against.

// An evidence is what one field says about two registrations: above 0 bits for one person, below for two.
type evidence struct {
	Field string  `json:"field"`
	Level string  `json:"level"`
	Bits  float64 `json:"bits"`
}

// Bar is the place and width of the weight's bar on a scale of 0 to 100 with its middle at 50.
func (e evidence) Bar() (b struct{ X, Width float64 }) {
	b.Width = min(50, max(1, e.magnitude()*2.5))
	b.X = 50
	if e.Bits < 0 {
		b.X = 50 - b.Width
	}
	return b
}

func (e evidence) magnitude() float64 { return max(e.Bits, -e.Bits) }

// For is "agree", "differ" or "missing".
func (e evidence) For() string {
	switch {
	case e.Level == "missing" || e.Level == "":
		return "missing"
	case e.Bits < 0 || strings.HasPrefix(e.Level, "different"):
		return "differ"
	}
	return "agree"
}

// Words is the key of the words for the level.
func (e evidence) Words() string {
	return "level." + strings.NewReplacer(", ", "-", " ", "-", "'", "").Replace(e.Level)
}

// A column is one registration, or one version of it.
type column struct {
	Record string
	Site   hie.SiteID
	Link   string
	Active bool
	// Since and Until are set for a version; Disputed says that it was not accepted.
	Since, Until time.Time
	Disputed     bool
	patient      patientSaid
	// earlier is what the registration said before, newest first.
	earlier []patientSaid
	// Revealed says that its numbers are shown in full.
	Revealed bool
}

// A patientSaid is a FHIR Patient of the stewards' doors, and until when it was said.
type patientSaid struct {
	fhir.Patient
	until time.Time
}

// UnmarshalJSON reads the Patient.
func (p *patientSaid) UnmarshalJSON(b []byte) error { return fhir.Decode(b, &p.Patient) }

// A row is one field across the columns.
type row struct {
	// Field is the key of its name: field.NAME.
	Field string
	Cells []cell
	// Evidence is what the field says of the first two columns; the zero value where nothing was weighed.
	Evidence evidence
	// Same says "agree", "differ" or "missing" for all columns.
	Same string
}

// A cell is what one registration says in one field.
type cell struct {
	Values []string
	// Doubt is a key of words on a value that is none, such as a birth date everybody without one gets; "" for none.
	Doubt string
	// Earlier are other values it had before.
	Earlier []earlierValue
}

type earlierValue struct {
	Value string
	Until time.Time
}

// A pair is what the engine says of two of the columns.
type pair struct {
	Records  []string   `json:"records"`
	Grade    string     `json:"grade"`
	Bits     float64    `json:"bits"`
	Evidence []evidence `json:"evidence"`
	Vetoes   []string   `json:"vetoes"`
	Verdict  string     `json:"verdict"`
	// A and B are the numbers of the columns, from 1.
	A, B int
}

// A comparison is everything the page shows.
type comparison struct {
	Columns []column
	Rows    []row
	Pairs   []pair
	// Others are the rows of evidence that no field stands for: the ceiling on what a household shares, the source.
	Others []evidence
}

// A field is one row's name, what it reads of a registration, and the evidence that is about it.
type field struct {
	name     string
	evidence []string
	read     func(fhir.Patient) []string
}

// fields are the rows in order.
var fields = []field{
	{"given", []string{"given"}, func(p fhir.Patient) (out []string) {
		for _, n := range p.Name {
			if len(n.Given) > 0 {
				out = append(out, n.Given[0])
			}
		}
		return out
	}},
	{"middle", []string{"middle"}, func(p fhir.Patient) (out []string) {
		for _, n := range p.Name {
			if len(n.Given) > 1 {
				out = append(out, strings.Join(n.Given[1:], " "))
			}
		}
		return out
	}},
	{"family", []string{"family"}, func(p fhir.Patient) (out []string) {
		for _, n := range p.Name {
			out = append(out, n.Family)
		}
		return out
	}},
	{"suffix", []string{"suffix"}, func(p fhir.Patient) (out []string) {
		for _, n := range p.Name {
			out = append(out, n.Suffix...)
		}
		return out
	}},
	{"birth-date", []string{"birth-date"}, func(p fhir.Patient) []string { return []string{p.BirthDate} }},
	{"sex", []string{"sex"}, func(p fhir.Patient) []string { return []string{p.Gender} }},
	{"ssn", []string{"ssn"}, func(p fhir.Patient) (out []string) {
		for _, i := range p.Identifier {
			if i.System == ssnSystem {
				out = append(out, i.Value)
			}
		}
		return out
	}},
	{"identifier", []string{"identifier"}, func(p fhir.Patient) (out []string) {
		for _, i := range p.Identifier {
			if i.System != ssnSystem && i.Type != nil {
				out = append(out, i.Value)
			}
		}
		return out
	}},
	{"phone", []string{"phone"}, func(p fhir.Patient) []string { return telecom(p, "phone") }},
	{"email", []string{"email"}, func(p fhir.Patient) []string { return telecom(p, "email") }},
	{"address", []string{"address"}, func(p fhir.Patient) (out []string) {
		for _, a := range p.Address {
			parts := append(slices.Clone(a.Line), a.City, strings.TrimSpace(a.State+" "+a.PostalCode))
			out = append(out, strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", "))
		}
		return out
	}},
	{"birth-order", []string{"birth-order"}, func(p fhir.Patient) []string {
		if p.MultipleBirthInteger == nil {
			return nil
		}
		return []string{string(rune('0' + *p.MultipleBirthInteger%10))}
	}},
	{"mothers-maiden-name", []string{"mothers-maiden-name"}, func(p fhir.Patient) (out []string) {
		for _, e := range p.Extension {
			if strings.HasSuffix(e.URL, "/patient-mothersMaidenName") {
				out = append(out, e.ValueString)
			}
		}
		return out
	}},
	{"death-date", []string{"death-date"}, func(p fhir.Patient) []string { return []string{p.DeceasedDateTime} }},
	{"local", nil, func(p fhir.Patient) (out []string) {
		for _, i := range p.Identifier {
			if i.Type == nil && i.System != ssnSystem {
				out = append(out, i.Value)
			}
		}
		return out
	}},
}

const ssnSystem = "http://hl7.org/fhir/sid/us-ssn"

func telecom(p fhir.Patient, system string) (out []string) {
	for _, t := range p.Telecom {
		if t.System == system {
			out = append(out, t.Value)
		}
	}
	return out
}

// values are what a registration says in a field, each once, in order.
func (f field) values(p fhir.Patient) (out []string) {
	for _, s := range f.read(p) {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// placeholders are what systems write where they know nothing.
//
// Source: spec ux W2 and W6 (1900-01-01, 999-99-9999).
func placeholder(field, value string) bool {
	switch field {
	case "birth-date":
		return strings.HasSuffix(value, "-01-01") || value == "1800-01-01"
	case "ssn":
		digits := strings.Trim(value, "*-")
		return digits != "" && strings.Trim(digits, digits[:1]) == ""
	case "phone":
		digits := strings.NewReplacer("-", "", " ", "", "(", "", ")", "").Replace(value)
		return len(digits) >= 7 && strings.Trim(digits[len(digits)-7:], digits[len(digits)-1:]) == ""
	}
	return false
}

// newComparison puts the columns' values beside each other; pairs say what the engine makes of them.
func newComparison(columns []column, pairs []pair) comparison {
	c := comparison{Columns: columns, Pairs: pairs}
	first := pair{}
	if len(pairs) > 0 {
		first = pairs[0]
	}
	told := map[string]bool{}
	for _, f := range fields {
		r := row{Field: "field." + f.name}
		for _, e := range first.Evidence {
			if slices.Contains(f.evidence, e.Field) {
				r.Evidence, told[e.Field] = e, true
			}
		}
		some := false
		for _, col := range columns {
			x := cell{Values: f.values(col.patient.Patient)}
			for _, s := range x.Values {
				if placeholder(f.name, s) {
					x.Doubt = "compare.placeholder"
				}
			}
			for _, before := range col.earlier {
				for _, s := range f.values(before.Patient) {
					if !slices.Contains(x.Values, s) && !slices.ContainsFunc(x.Earlier, func(e earlierValue) bool { return e.Value == s }) {
						x.Earlier = append(x.Earlier, earlierValue{s, before.until})
					}
				}
			}
			some = some || len(x.Values)+len(x.Earlier) > 0
			r.Cells = append(r.Cells, x)
		}
		if !some {
			continue
		}
		r.Same = r.judge(len(columns) == 2, f.evidence != nil)
		c.Rows = append(c.Rows, r)
	}
	for _, e := range first.Evidence {
		if !told[e.Field] {
			c.Others = append(c.Others, e)
		}
	}
	return c
}

// judge says whether the columns agree in the row: as the engine weighed it where there are two of them, else by what
// they say. A field nobody weighs, such as a site's own number, is not judged.
func (r row) judge(two, weighed bool) string {
	if !weighed {
		return ""
	}
	if two && r.Evidence.Level != "" {
		return r.Evidence.For()
	}
	same := "agree"
	for _, c := range r.Cells {
		if len(c.Values) == 0 {
			return "missing"
		}
		if !slices.ContainsFunc(c.Values, func(s string) bool {
			return slices.ContainsFunc(r.Cells[0].Values, func(o string) bool { return strings.EqualFold(o, s) })
		}) {
			same = "differ"
		}
	}
	return same
}

// compareRecords asks the API for records side by side, with what each said before.
func (v *visit) compareRecords(records ...string) (comparison, error) {
	var in struct {
		Members []member `json:"members"`
		Pairs   []pair   `json:"pairs"`
	}
	if err := v.read(http.MethodPost, "/admin/v1/match/compare", map[string]any{"records": records}, &in); err != nil {
		return comparison{}, err
	}
	byID := map[string]column{}
	for _, m := range in.Members {
		col := m.column()
		versions, err := v.versionsOf(m.Record)
		if err != nil {
			return comparison{}, err
		}
		for _, old := range slices.Backward(versions[:max(0, len(versions)-1)]) {
			col.earlier = append(col.earlier, patientSaid{old.Patient.Patient, old.Until.In(v.zone())})
		}
		byID[m.Record] = col
	}
	var columns []column
	for _, r := range records { // in the order they were asked for
		if col, ok := byID[r]; ok {
			columns = append(columns, col)
		}
	}
	for i := range in.Pairs {
		p := &in.Pairs[i]
		for n, col := range columns {
			if p.Records[0] == col.Record {
				p.A = n + 1
			}
			if p.Records[1] == col.Record {
				p.B = n + 1
			}
		}
	}
	return newComparison(columns, in.Pairs), nil
}

// A member is one registration of a person.
type member struct {
	Record  string      `json:"record"`
	Site    hie.SiteID  `json:"site"`
	Link    string      `json:"link"`
	Active  bool        `json:"active"`
	Patient patientSaid `json:"patient"`
}

func (m member) column() column {
	return column{Record: m.Record, Site: m.Site, Link: m.Link, Active: m.Active, patient: m.Patient}
}

// Name and Birth are what the registration says.
func (m member) Name() string { return nameOf(m.Patient.Name) }

// Birth is the date of birth as registered.
func (m member) Birth() string { return m.Patient.BirthDate }

// Local is the number the site knows it by.
func (m member) Local() string {
	for _, i := range m.Patient.Identifier {
		if i.Type == nil {
			return i.Value
		}
	}
	return ""
}

// A version is one of the things a registration has said.
type version struct {
	Version  int64       `json:"version"`
	Since    time.Time   `json:"since"`
	Until    time.Time   `json:"until"`
	Active   bool        `json:"active"`
	Disputed bool        `json:"disputed"`
	Patient  patientSaid `json:"patient"`
}

// versionsOf returns everything a registration has said, oldest first.
func (v *visit) versionsOf(record string) ([]version, error) {
	var in struct {
		Versions []version `json:"versions"`
	}
	err := v.read(http.MethodGet, recordPath(record)+"/versions", nil, &in)
	return in.Versions, err
}

// compareVersions puts what a registration said before an update that is in doubt beside what it says since.
func (v *visit) compareVersions(t task) (comparison, error) {
	var in struct {
		Site     hie.SiteID `json:"site"`
		Versions []version  `json:"versions"`
	}
	if err := v.read(http.MethodGet, recordPath(t.Record)+"/versions", nil, &in); err != nil {
		return comparison{}, err
	}
	shown := in.Versions[max(0, len(in.Versions)-2):]
	var columns []column
	for _, x := range shown {
		until := x.Until
		if !until.IsZero() {
			until = until.In(v.zone())
		}
		columns = append(columns, column{Record: t.Record, Site: in.Site, Active: x.Active, Since: x.Since.In(v.zone()), Until: until, Disputed: x.Disputed, patient: x.Patient})
	}
	return newComparison(columns, []pair{{Grade: t.Grade, Bits: t.Bits, Evidence: t.Evidence, A: 1, B: 2}}), nil
}

func recordPath(record string) string { return "/admin/v1/match/records/" + url.PathEscape(record) }
