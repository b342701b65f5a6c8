package mpi

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// Bounds on what figures cost.
const (
	defaultSample = 2000
	maxSample     = 20000
	sampleStep    = 500 // persons read at once
	maxTuples     = 200
	maxBearers    = 60 // records under a combination's key up to which they are read
	qualityDays   = 30
)

// Figures are what a store counts about tasks and reviews since an instant.
type Figures struct {
	Tasks   []TaskFigure // in no order
	Reviews ReviewFigures
	// Days are those on which a task was opened or closed, oldest first.
	Days []DayFigure
	// Overlays are the records of overlays opened since, at most 1,000, the latest.
	Overlays []hie.SourcePatientID
}

// Quality looks at about sample persons drawn at random (0 means 2,000, at most 20,000; all, when there are no more) and at
// the tasks and reviews of the last thirty days.
func (x *Index) Quality(ctx context.Context, sample int) (Quality, error) {
	if sample < 0 || sample > maxSample {
		return Quality{}, fmt.Errorf("mpi: quality: %w", hie.Invalid("sample", "must be from 1 to 20000"))
	}
	if sample == 0 {
		sample = defaultSample
	}
	out := Quality{At: x.now()}
	out.Since = out.At.Add(-qualityDays * 24 * time.Hour)
	if err := x.measure(ctx, sample, &out); err != nil {
		return Quality{}, fmt.Errorf("mpi: quality: %w", err)
	}
	return out, nil
}

func (x *Index) measure(ctx context.Context, sample int, out *Quality) error {
	figures, err := x.store.Figures(ctx, out.Since, out.At)
	if err != nil {
		return err
	}
	out.Reviews = figures.Reviews
	for day := out.Since.UTC().Truncate(24 * time.Hour); !day.After(out.At); day = day.AddDate(0, 0, 1) {
		f := DayFigure{Day: day}
		if i := slices.IndexFunc(figures.Days, func(f DayFigure) bool { return f.Day.Equal(day) }); i >= 0 {
			f = figures.Days[i]
		}
		out.Days = append(out.Days, f)
	}
	for _, k := range TaskKinds() {
		if i := slices.IndexFunc(figures.Tasks, func(f TaskFigure) bool { return f.Kind == k }); i >= 0 {
			out.Tasks = append(out.Tasks, figures.Tasks[i])
		}
	}
	overlaid, err := x.store.Patients(ctx, figures.Overlays)
	if err != nil {
		return err
	}
	site := map[hie.SourcePatientID]hie.SiteID{}
	for _, r := range overlaid {
		site[r.Record] = r.Site
	}
	var overlays []hie.SiteID
	for _, r := range figures.Overlays {
		overlays = append(overlays, site[r])
	}
	ids, of, err := x.store.SamplePersons(ctx, sample)
	if err != nil {
		return err
	}
	out.Persons, out.Whole = of, int64(len(ids)) >= of
	var persons []sampled
	for chunk := range slices.Chunk(ids, sampleStep) {
		read, err := x.sampled(ctx, chunk)
		if err != nil {
			return err
		}
		persons = append(persons, read...)
	}
	out.Sampled = len(persons)
	out.Sites = summarize(persons, overlays)
	return x.tuples(ctx, persons, &out.Tuples)
}

// QualityOf counts the registrations of one site among records, as [Index.Quality] counts them in a sample; Overlays is 0. Records
// that are gone are left out.
func (x *Index) QualityOf(ctx context.Context, site hie.SiteID, records []hie.SourcePatientID) (SiteQuality, error) {
	var persons []hie.PersonID
	for chunk := range slices.Chunk(sortedRecords(records), sampleStep) {
		rows, err := x.store.Patients(ctx, chunk)
		if err != nil {
			return SiteQuality{}, fmt.Errorf("mpi: quality of: %w", err)
		}
		for i := range rows {
			persons = append(persons, rows[i].Person)
		}
	}
	slices.Sort(persons)
	var read []sampled
	for chunk := range slices.Chunk(slices.Compact(persons), sampleStep) {
		more, err := x.sampled(ctx, chunk)
		if err != nil {
			return SiteQuality{}, fmt.Errorf("mpi: quality of: %w", err)
		}
		read = append(read, more...)
	}
	for _, q := range summarize(read, nil) {
		if q.Site == site {
			return q, nil
		}
	}
	return SiteQuality{Site: site}, nil
}

// sampled reads persons; those without members, which were merged away, are left out.
func (x *Index) sampled(ctx context.Context, ids []hie.PersonID) ([]sampled, error) {
	members, err := x.store.Members(ctx, ids)
	if err != nil {
		return nil, err
	}
	rows, err := x.store.Patients(ctx, recordsOf(members))
	if err != nil {
		return nil, err
	}
	by := make(map[hie.SourcePatientID]PatientRow, len(rows))
	for _, r := range rows {
		by[r.Record] = r
	}
	var out []sampled
	var last hie.PersonID
	for _, m := range members {
		if m.Person != last {
			out, last = append(out, sampled{}), m.Person
		}
		p := &out[len(out)-1]
		p.members = append(p.members, m.Member)
		if r, there := by[m.Record]; there {
			p.records = append(p.records, r)
		}
	}
	return out, nil
}

// tuples looks for the combinations of the first persons of the sample in the whole index.
func (x *Index) tuples(ctx context.Context, persons []sampled, out *TupleQuality) error {
	keys := map[string]int64{}
	for _, p := range persons {
		for i := range p.records {
			if len(keys) == maxTuples || !p.records[i].Active || p.records[i].AliasOf != 0 {
				continue
			}
			v := normalize(p.records[i].Demographics)
			if t := tuple(&v); t != "" {
				birth := v.birth
				keys[t] = newKey(KeyBirthGiven, birthText(birth), formal(v.givens[0])).Hash
				break
			}
		}
	}
	ask := make([]int64, 0, len(keys))
	for _, k := range keys {
		ask = append(ask, k)
	}
	counts, err := x.store.KeyCounts(ctx, ask)
	if err != nil {
		return err
	}
	var read []int64
	for t, k := range keys {
		if counts[k] > maxBearers {
			out.Skipped++
			delete(keys, t)
			continue
		}
		read = append(read, k)
	}
	found, err := x.store.Candidates(ctx, read)
	if err != nil {
		return err
	}
	var records []hie.SourcePatientID
	for _, c := range found {
		records = append(records, c.Record)
	}
	bearers := map[string]map[hie.PersonID]bool{}
	for chunk := range slices.Chunk(sortedRecords(records), sampleStep) {
		rows, err := x.store.Patients(ctx, chunk)
		if err != nil {
			return err
		}
		for i := range rows {
			v := normalize(rows[i].Demographics)
			t := tuple(&v)
			if _, asked := keys[t]; !asked {
				continue
			}
			if bearers[t] == nil {
				bearers[t] = map[hie.PersonID]bool{}
			}
			bearers[t][rows[i].Person] = true
		}
	}
	for _, p := range bearers {
		out.Looked++
		out.Persons += len(p)
		out.Most = max(out.Most, len(p))
		if len(p) > 1 {
			out.Several++
		}
	}
	return nil
}

// birthText is a whole date as keys have it.
func birthText(d Date) string {
	v := values{typed: d}
	_, birth, _, _, _ := v.birthParts()
	return birth
}
