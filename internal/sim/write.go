package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The formats [Write] knows, and their files: records.csv, truth.csv and hard_pairs.csv; patients.ndjson;
// messages.hl7 and events.csv; documents.ndjson; consents.ndjson.
const (
	CSV       = "csv"
	FHIR      = "fhir"
	ADT       = "adt"
	Documents = "documents"
	Consents  = "consents"
)

// Formats are all of them.
var Formats = []string{CSV, FHIR, ADT, Documents, Consents}

// An Order is what [Write] is to make.
type Order struct {
	Seed    uint64
	People  int
	Sites   int // at least five
	Names   *Names
	Rates   Rates
	Formats []string
	// Dir is where the files go, made where it is missing; "" makes the population and writes nothing.
	Dir string
	// Progress is told how many people have been made since it was last told; nil for nobody.
	Progress func(people int)
}

// A Summary says what was made. It is written as simulation.json beside the files.
type Summary struct {
	Seed    uint64         `json:"seed"`
	People  int            `json:"people"`
	Records int            `json:"records"`
	Rows    map[string]int `json:"rows"` // by file
	Rates   Rates          `json:"rates"`
	Sites   []SiteSummary  `json:"sites"`
}

// A SiteSummary says who one site is and how many records it has.
type SiteSummary struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Kind         string `json:"kind"`
	Organization string `json:"organization"`
	Authority    string `json:"authority"` // identifier system of its local ids
	Records      int    `json:"records"`
}

// Write makes a population and writes it. The same order gives the same bytes. Memory does not grow with the
// population. It refuses to write over files that are there ([fs.ErrExist]); an error or a cancelled ctx leaves
// none of its own.
func Write(ctx context.Context, o Order) (Summary, error) {
	w := &writer{Order: o, sites: Exchange(o.Sites), perSite: map[string]int{}}
	sum, err := w.run(ctx)
	for _, s := range w.files {
		s.drop()
	}
	if err != nil {
		for _, s := range w.files {
			_ = os.Remove(s.path) // it was not there before
		}
	}
	return sum, err
}

type writer struct {
	Order
	sites                                                                  []Site
	papers                                                                 *papers
	files                                                                  []*sorted
	perSite                                                                map[string]int
	records, truth, pairs, patients, messages, events, documents, consents *sorted
}

func (w *writer) run(ctx context.Context) (sum Summary, err error) {
	if w.papers, err = newPapers(w.Seed); err != nil {
		return sum, err
	}
	summary := filepath.Join(w.Dir, "simulation.json")
	if w.Dir != "" {
		if err := w.open(summary); err != nil {
			return sum, err
		}
	}
	t := NewTown(w.Seed, w.sites, w.Names)
	t.SetRates(w.Rates)
	for sum.People < w.People {
		if err := ctx.Err(); err != nil {
			return sum, fmt.Errorf("sim: %w", err)
		}
		f := t.Next(w.People - sum.People)
		sum.People, sum.Records = sum.People+len(f.People), sum.Records+len(f.Records)
		if err := w.family(f); err != nil {
			return sum, err
		}
		if w.Progress != nil {
			w.Progress(len(f.People))
		}
	}
	sum.Seed, sum.Rates, sum.Rows = w.Seed, w.Rates, map[string]int{}
	for _, s := range w.files {
		if err := ctx.Err(); err != nil {
			return sum, fmt.Errorf("sim: %w", err)
		}
		if err := s.finish(); err != nil {
			return sum, err
		}
		sum.Rows[filepath.Base(s.path)] = s.rows
	}
	for _, s := range w.sites {
		sum.Sites = append(sum.Sites, SiteSummary{s.ID, s.Name, s.Kind, s.OrgName, s.Authority, w.perSite[s.ID]})
	}
	if w.Dir == "" {
		return sum, nil
	}
	text, err := json.MarshalIndent(sum, "", "  ")
	if err != nil { // a struct of strings and numbers is always JSON
		panic("sim: " + err.Error())
	}
	if err := os.WriteFile(summary, append(text, '\n'), 0o644); err != nil {
		return sum, fmt.Errorf("sim: %w", err)
	}
	return sum, nil
}

// open makes the directory and begins the files.
func (w *writer) open(summary string) error {
	if err := os.MkdirAll(w.Dir, 0o755); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	buckets := clamp(w.People/5_000, 1, 64)
	file := func(format, name, head string, bucket func(int) func(uint64) int) (*sorted, error) {
		if !slices.Contains(w.Formats, format) {
			return nil, nil
		}
		path := filepath.Join(w.Dir, name)
		s, err := newSorted(path, head, buckets, bucket)
		if err == nil {
			w.files = append(w.files, s)
		}
		return s, err
	}
	for _, name := range []string{"simulation.json", "records.csv", "truth.csv", "hard_pairs.csv", "patients.ndjson", "messages.hl7", "events.csv", "documents.ndjson", "consents.ndjson"} {
		if _, err := os.Stat(filepath.Join(w.Dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sim: %s: %w", filepath.Join(w.Dir, name), fs.ErrExist)
		}
	}
	var errs [8]error
	w.records, errs[0] = file(CSV, "records.csv", recordsHead, byKey)
	w.truth, errs[1] = file(CSV, "truth.csv", truthHead, byKey)
	w.pairs, errs[2] = file(CSV, "hard_pairs.csv", pairsHead, byKey)
	w.patients, errs[3] = file(FHIR, "patients.ndjson", "", byKey)
	w.messages, errs[4] = file(ADT, "messages.hl7", "", byTime)
	w.events, errs[7] = file(ADT, "events.csv", eventsHead, byTime)
	w.documents, errs[5] = file(Documents, "documents.ndjson", "", byKey)
	w.consents, errs[6] = file(Consents, "consents.ndjson", "", byKey)
	return errors.Join(errs[:]...)
}

// family writes one family's rows.
func (w *writer) family(f Family) error {
	people := map[int]*Person{}
	for i := range f.People {
		people[f.People[i].ID] = &f.People[i]
	}
	for i := range f.Records {
		if err := w.record(people, &f.Records[i]); err != nil {
			return err
		}
	}
	if w.pairs != nil {
		for _, p := range f.Pairs {
			a, b := RecordID(w.Seed, p.A), RecordID(w.Seed, p.B)
			if err := w.pairs.add(recordKey(w.Seed, p.A), csvRow(nil, a, b, "no_match", p.Kind)); err != nil {
				return err
			}
		}
	}
	if w.consents != nil {
		for _, p := range f.People {
			if c := w.consent(p, f.Records); c != nil {
				if err := w.consents.add(recordKey(w.Seed, p.ID), append(c, '\n')); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *writer) record(people map[int]*Person, g *Registration) error {
	w.perSite[g.Site]++
	site := w.site(g.Site)
	key := recordKey(w.Seed, g.Index)
	if w.records != nil {
		if err := w.records.add(key, g.row(w.Seed)); err != nil {
			return err
		}
		if err := w.truth.add(key, g.truth(w.Seed, people[g.Was])); err != nil {
			return err
		}
	}
	if w.patients != nil {
		if err := w.patients.add(key, append(g.Patient(site), '\n')); err != nil {
			return err
		}
	}
	if w.messages != nil {
		for n, e := range g.Events {
			at := uint64(e.when(g, n).Unix())
			if err := w.messages.add(at, e.message(site, g, n)); err != nil {
				return err
			}
			if err := w.events.add(at, e.truth(w.Seed, site, g, n)); err != nil {
				return err
			}
		}
	}
	if w.documents != nil && site.Publishes {
		for n := range g.Documents {
			d := w.papers.document(site, *g, n)
			if err := w.documents.add(recordKey(w.Seed+1, g.Index*16+n), append(d.Reference(site.OrgURI+"/fhir"), '\n')); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) site(id string) Site {
	for _, s := range w.sites {
		if s.ID == id {
			return s
		}
	}
	return Site{}
}

// moment spreads a day's messages over its hours, later ones of a record later.
func moment(index, n int) time.Duration {
	return time.Duration(siteHash("moment", digits(index))%72000)*time.Second + time.Duration(n)*time.Minute
}

// recordKey returns where a record stands in the files: all alike likely, no two alike, telling nothing.
func recordKey(seed uint64, index int) uint64 {
	// The finaliser of splitmix64, which has an inverse.
	x := uint64(index) + seed*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// RecordID returns the id of the index-th record in the files: unique, carrying no hint of the truth.
func RecordID(seed uint64, index int) string { return fmt.Sprintf("s%016x", recordKey(seed, index)) }

const (
	recordsHead = "record_id,person_id,source,given,middle,family,suffix,birth_date,sex,ssn,phone,email,street,city,state,postal_code,mrn,extra\n"
	truthHead   = "record_id,person_id,household_id,twin_person_id,first_person_id,merged_into_mrn,ethnicity,true_sex,true_birth_date,age_band,story,errors\n"
	eventsHead  = "control_id,record_id,at,trigger,person_id,other_mrn,other_person_id,mistake,errors\n"
	pairsHead   = "record_id_1,record_id_2,expected,category\n"
)

// row returns g as a line of the linkage CSV.
//
// Source: schema of the linkage sets (data/linkage/README.md of the shared folder).
func (g *Registration) row(seed uint64) []byte {
	var extra []string
	add := func(key, value string) {
		if value != "" {
			extra = append(extra, key+"="+strings.ReplaceAll(value, "|", ":"))
		}
	}
	add("maiden", g.Maiden)
	add("mother_maiden", g.MotherMaiden)
	if g.Multiple {
		add("multiple_birth", "Y")
		if g.Order > 0 {
			add("birth_order", digits(g.Order))
		}
	}
	if payer, member, ok := strings.Cut(g.Insurance, "|"); ok {
		payer = strings.TrimSuffix(strings.TrimPrefix(payer, "https://"), ".example.org/member")
		add("insurance", payer+":"+member)
	}
	add("deceased", g.Death)
	return csvRow(nil, RecordID(seed, g.Index), personID(g.Person), g.Site, g.Given, g.Middle, g.Family, g.Suffix, g.Birth, g.Sex, g.SSN, g.Phone,
		g.Email, g.Address.Line, g.Address.City, g.Address.State, g.Address.ZIP, g.Local, strings.Join(extra, "|"))
}

// truth returns what is true of g as a line of truth.csv; first is the person whose record it was first. Errors
// are field:kind, joined by |.
func (g *Registration) truth(seed uint64, first *Person) []byte {
	var errs []string
	for _, e := range g.Errors {
		errs = append(errs, e.Field+":"+e.Kind)
	}
	household, twin, group, sex, born, band, was, kind := "", "", "", "", "", "", "", ""
	if g.Was != g.Person {
		was, kind = personID(g.Was), "overlay"
	} else if first != nil {
		household, group, sex, born = digits(first.Household), first.Ethnicity, first.Sex, first.Birth.Format(time.DateOnly)
		band = ageBand(age(*first))
		if first.Twin >= 0 {
			twin = personID(first.Twin)
		}
		if g.newborn {
			kind = "newborn"
		}
	}
	return csvRow(nil, RecordID(seed, g.Index), personID(g.Person), household, twin, was, g.MergedInto, group, sex, born, band, kind, strings.Join(errs, "|"))
}

// ageBand names the band an age in years today falls into.
func ageBand(years int) string {
	switch {
	case years < 18:
		return "0-17"
	case years < 40:
		return "18-39"
	case years < 65:
		return "40-64"
	case years < 80:
		return "65-79"
	default:
		return "80 and more"
	}
}

func personID(id int) string { return "p" + digits(id) }
