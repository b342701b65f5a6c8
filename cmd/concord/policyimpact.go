package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// An impactRun walks over everybody and says what a version of a policy would change for them.
type impactRun struct {
	persons  *mpipg.Store
	consents *consentpg.Store
	policies *consentpg.Policies
	network  func() *directory.Network
	now      func() time.Time
}

func newImpactRun(db *pg.DB, policies *consentpg.Policies, network func() *directory.Network) *impactRun {
	return &impactRun{persons: mpipg.New(db, auditpg.Append), consents: consentpg.New(db, hie.NewIDs(nil), auditpg.Append, hie.Now),
		policies: policies, network: network, now: hie.Now}
}

// run compares the policies in force with those in force and version of policy instead of what there is of it, as of now or of when
// that version's law begins. changed is
// called for each person for whom some answer changes, in no order, by one goroutine at a time.
func (r *impactRun) run(ctx context.Context, policy string, version int64, changed func(mpi.Person, []consent.CellChange)) (*consent.Impact, error) {
	set, err := r.policies.Set(ctx)
	if err != nil {
		return nil, err
	}
	next, err := r.policies.Version(ctx, policy, version)
	if err != nil {
		return nil, err
	}
	now := next.Pack.Shows(r.now())
	before, _, err := set.At(now)
	if err != nil {
		return nil, err
	}
	after := slices.DeleteFunc(slices.Clone(before), func(v consent.PackVersion) bool { return v.Pack.ID == policy })
	after = append(after, consent.PackVersion{Version: version, Pack: next.Pack})
	n := r.network()
	was, err := consent.FromNetwork(n, consent.Options{}.In(before, now))
	if err != nil {
		return nil, err
	}
	will, err := consent.FromNetwork(n, consent.Options{}.In(after, now))
	if err != nil {
		return nil, err
	}
	im := consent.NewImpact(was, will, now)
	return im, r.walk(ctx, im, now, changed)
}

// simulate is run with the records of those for whom some answer changes, one of each person.
func (r *impactRun) simulate(ctx context.Context, policy string, version int64) (*consent.Impact, []hie.SourcePatientID, error) {
	var records []hie.SourcePatientID
	im, err := r.run(ctx, policy, version, func(p mpi.Person, _ []consent.CellChange) { records = append(records, p.Members[0].Record) })
	return im, records, err
}

// batch is how many members are read at once.
const batch = 4000

// walk adds everybody to im. Reading goes before comparing, which all processors share.
func (r *impactRun) walk(ctx context.Context, im *consent.Impact, now time.Time, changed func(mpi.Person, []consent.CellChange)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := make(chan []mpi.Person)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for persons := range work {
				if err := r.compare(ctx, im, persons, now, &mu, changed); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					cancel()
				}
			}
		})
	}
	var after hie.PersonID
	var err error
	for {
		var persons []mpi.Person
		if persons, err = r.persons.Everybody(ctx, after, batch); err != nil || len(persons) == 0 {
			break
		}
		after = persons[len(persons)-1].ID
		work <- persons
	}
	close(work)
	wg.Wait()
	if failed != nil {
		return failed
	}
	return err
}

func (r *impactRun) compare(ctx context.Context, im *consent.Impact, persons []mpi.Person, now time.Time, mu *sync.Mutex, changed func(mpi.Person, []consent.CellChange)) error {
	var records []hie.SourcePatientID
	for _, p := range persons {
		records = append(records, p.Records()...)
	}
	said, err := r.consents.DirectivesOf(ctx, records, now)
	if err != nil {
		return err
	}
	bases, err := r.consents.Instruments(ctx, records)
	if err != nil {
		return err
	}
	basis := make(map[hie.SourcePatientID][]consent.Instrument, len(bases))
	for _, i := range bases {
		basis[i.Record] = append(basis[i.Record], i)
	}
	for _, p := range persons {
		subject := consent.Subject{Died: p.Died()}
		var directives []consent.Directive
		for _, m := range p.Members {
			subject.Records = append(subject.Records, consent.Record{ID: m.Record.String(), Site: m.Site, Link: m.Link})
			directives = append(directives, said[m.Record]...)
			subject.Instruments = append(subject.Instruments, basis[m.Record]...)
		}
		if slices.ContainsFunc(directives, signedForThem) {
			whole, err := r.consents.LoadAt(ctx, p.Records(), now)
			if err != nil {
				return err
			}
			subject.Proxies = whole.Proxies
		}
		if c := im.Patient(subject, directives); len(c) > 0 {
			mu.Lock()
			changed(p, c)
			mu.Unlock()
		}
	}
	return nil
}

func signedForThem(d consent.Directive) bool {
	return slices.ContainsFunc(d.Performers, func(p string) bool { return !strings.HasPrefix(p, "Patient/") })
}

// cellRow is a cell that changes, as it is printed.
type cellRow struct {
	Site            string `json:"site"`
	Purpose         string `json:"purpose"`
	Class           string `json:"class"`
	Label           string `json:"label"`
	Confidentiality string `json:"confidentiality"`
	Requester       string `json:"requester"`
	Emergency       bool   `json:"emergency,omitzero"`
	Before          string `json:"before"`
	After           string `json:"after"`
	Effect          string `json:"effect"` // opens, closes or other ground
	Patients        int64  `json:"patients"`
}

// impactRows is what a change does, as it is printed.
type impactRows struct {
	At       time.Time `json:"at"` // as of when
	Patients int64     `json:"patients"`
	Changed  int64     `json:"changed"`
	Cells    []cellRow `json:"cells"`
}

func newImpactRows(im *consent.Impact) impactRows {
	out := impactRows{At: im.At(), Cells: []cellRow{}}
	out.Patients, out.Changed = im.Patients()
	for _, c := range im.Cells() {
		r := cellRow{Site: string(c.Site), Purpose: string(c.Purpose), Class: c.Class, Label: c.Label, Confidentiality: c.Confidentiality, Requester: c.Requester,
			Emergency: c.Emergency, Before: c.Before.String(), After: c.After.String(), Effect: "other ground", Patients: c.Patients}
		switch {
		case c.Opens():
			r.Effect = "opens"
		case c.Closes():
			r.Effect = "closes"
		}
		out.Cells = append(out.Cells, r)
	}
	return out
}

// summary says in one line what a simulation found; it is kept with the step.
func (r impactRows) summary() string {
	opens, closes := 0, 0
	for _, c := range r.Cells {
		switch c.Effect {
		case "opens":
			opens++
		case "closes":
			closes++
		}
	}
	return fmt.Sprintf("%d of %d patients change; %d cells open, %d close", r.Changed, r.Patients, opens, closes)
}
