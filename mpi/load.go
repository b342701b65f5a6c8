package mpi

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A Bulk is a Store that takes in many registrations in one transaction at the price of a few.
type Bulk interface {
	// Load runs f in one transaction. What f is going to read has been read ahead as a says and what it writes goes to
	// the database together at the end, with the feed's mark; others see all of it or nothing. f may be run again. An
	// error of f undoes everything. hie.ErrConflict means that the feed's mark was moved by somebody else.
	Load(ctx context.Context, a Ahead, f func(Workbench) error) error
}

// A Workbench is a Tx whose rows are at hand.
type Workbench interface {
	Tx
	// Try runs f and takes back what it wrote when it fails.
	Try(f func() error) error
}

// Ahead says what a load is going to need.
type Ahead struct {
	hie.Private
	// Locals are the identifiers it claims, each once, for Records: those that are not taken become theirs.
	Locals  []hie.Identifier
	Records []hie.SourcePatientID
	// Keys are the candidate keys of each, sorted. Those that more than Hub records share are not looked under.
	Keys [][]int64
	Hub  int64
	// Near, unless nil, returns the records that resemble any of these, in any order. It reads nothing but keys.
	Near func(ctx context.Context, r Reader) ([]hie.SourcePatientID, error)
	// Mark, unless nil, is moved with the load. Load's caller fills in what became of the lines before f returns.
	Mark *Mark
	// Event is recorded once for the load, with all the records it touched.
	Event audit.Event
}

// A Mark is how far a file has been loaded.
type Mark struct {
	// Feed names the file; From is the line it stood at, Upto the line it moves to.
	Feed       string
	From, Upto int64
	// What became of the lines between.
	Created, Revised, Repeated, Rejected int64
}

// Loaded says what came of one registration of a load. Err is what was wrong with it, an *hie.InvalidError or
// hie.ErrConflict, and Registered is zero then.
type Loaded struct {
	Registered
	Err error
	// former are the keys the record was found under before.
	former []int64
}

// Load takes in registrations in their order as Register does each, with the same outcome for records, persons, edges,
// tasks and notices, in one transaction. The audit trail gets one event for all of them. One that breaks a rule is left
// out and says why; other errors undo the load. mark, unless nil, is moved in the same transaction; what is done with
// the registrations is counted in it.
//
// Source: DESIGN section 4 (import patients); issue "Identity", Batch: the outcome depends on the records and decisions,
// not on how they came.
func (x *Index) Load(ctx context.Context, actor hie.Actor, store Bulk, mark *Mark, rs []Registration) ([]Loaded, error) {
	out := make([]Loaded, len(rs))
	all := make([]registering, len(rs))
	each(len(rs), func(i int) {
		if out[i].Err = rs[i].check(); out[i].Err != nil {
			return
		}
		all[i] = registering{x: x, actor: actor, r: rs[i], seeker: rs[i].seeker(0)}
	})
	a := Ahead{Hub: x.hub, Mark: mark, Event: audit.NewEvent(audit.PatientRegistered, actor, x.now())}
	a.Event.Action, a.Event.Ground = "C", []string{"model " + x.model.ID}
	index := map[hie.Identifier]bool{}
	var looking []int
	for i := range all {
		if out[i].Err != nil {
			continue
		}
		all[i].record = hie.SourcePatientID(x.ids.Next())
		if index[rs[i].Local] {
			continue // later in the file again: a revision
		}
		index[rs[i].Local] = true
		looking = append(looking, i)
		a.Locals, a.Records, a.Keys = append(a.Locals, rs[i].Local), append(a.Records, all[i].record), append(a.Keys, hashes(all[i].keys))
	}
	var f *foresight
	a.Near = func(ctx context.Context, r Reader) (near []hie.SourcePatientID, err error) {
		f, near, err = x.foresee(ctx, r, all, looking)
		return near, err
	}
	counted := Mark{}
	if mark != nil {
		counted = *mark
	}
	var err error
	for try := 1; ; try++ {
		err = store.Load(ctx, a, func(w Workbench) error { return x.loading(ctx, w, all, f, out, mark, counted) })
		if !errors.Is(err, errMoved) || try == maxTries || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("mpi: load: %w", err)
	}
	return out, nil
}

// loading is what a load does in its transaction.
func (x *Index) loading(ctx context.Context, w Workbench, all []registering, f *foresight, out []Loaded, mark *Mark, counted Mark) error {
	if mark != nil {
		*mark = counted
	}
	for i := range all {
		if all[i].x == nil {
			continue
		}
		g := all[i]
		f.tell(i, &g)
		if err := x.loadOne(ctx, w, g, &out[i]); err != nil {
			return err
		}
		f.saw(i, &g, &out[i])
	}
	if mark != nil {
		count(mark, out)
	}
	return ctx.Err()
}

// loadOne is one registration of a load. What is the registration's own fault is put into out.
func (x *Index) loadOne(ctx context.Context, w Workbench, g registering, out *Loaded) error {
	var first []hie.PersonID
	for try := 1; ; try++ {
		reg := g
		reg.tx = attempt{Tx: w, first: &first, locks: true}
		err := w.Try(func() error { return reg.run(ctx) })
		var inv *hie.InvalidError
		switch {
		case err == nil:
			*out = Loaded{Registered: reg.out, former: reg.old.Keys}
			return nil
		case errors.Is(err, errMoved) && try < maxTries:
			continue
		case errors.As(err, &inv), errors.Is(err, hie.ErrConflict), errors.Is(err, hie.ErrStale):
			*out = Loaded{Err: err}
			return nil
		}
		return err
	}
}

// count adds what became of registrations to m.
func count(m *Mark, all []Loaded) {
	for _, l := range all {
		switch {
		case l.Err != nil:
			m.Rejected++
		case l.Created:
			m.Created++
		case l.Changed:
			m.Revised++
		default:
			m.Repeated++
		}
	}
}

// each calls f for 0 to n-1 on all processors.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), max(n, 1))
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}
