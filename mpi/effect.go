package mpi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// A Stake is what hangs on one record: what follows it when it is linked to others or parted from them.
type Stake struct {
	// Documents are how many the network knows of.
	Documents int64
	// Consents count the directives in force, by what they are ("permit", "deny", ...).
	Consents map[string]int64
}

// A Side is records that are together before a decision and after it.
type Side struct {
	// Records are in order, each once; Sites are theirs, sorted, each once.
	Records []hie.SourcePatientID
	Sites   []hie.SiteID
	// From is their person now, To the one they would be of; 0 for one that does not exist yet.
	From, To hie.PersonID
	// Documents count by site, Consents by what they are; nil for none.
	Documents map[hie.SiteID]int64
	Consents  map[string]int64
}

// An Effect is what a decision would do. Sides that come from different persons and go to one would meet: who may see
// the one may then see the other, as far as the consents of both let him. Sides that come from one person and go to
// different ones would part. Sides are ordered by their first record; none means that nobody would change person.
type Effect struct {
	Sides []Side
	// Links are the records whose link would become surer or less sure where they are.
	Links []hie.SourcePatientID
	// Second says why a second reviewer must agree: "overlay", "reopen", "documents", "consents", "size"; "" when
	// none need.
	Second string
}

// moving tells which sides meet or part: the effect leaves out persons that stay as they are.
func (e *Effect) documents() (n int64) {
	for _, s := range e.Sides {
		for _, d := range s.Documents {
			n += d
		}
	}
	return n
}

// consenting counts the sides on which a consent stands.
func (e *Effect) consenting() (n int) {
	for _, s := range e.Sides {
		if len(s.Consents) > 0 {
			n++
		}
	}
	return n
}

// Bounds beyond which one person's word is not enough.
const (
	secondDocuments = 50
	secondRecords   = 12
)

// second says why a decision with this effect needs a second reviewer, or "".
//
//   - overlay: somebody else's data would take effect under a known number, or be refused
//   - reopen: an earlier verdict would be overruled or upheld against evidence
//   - consents: sides on which different consents stand would meet or part
//   - documents: more than 50 documents would meet or part
//   - size: more than 12 records would
//
// Source: spec ux W3: second reviewer when overlay, more than N documents, or sensitive.
func second(kind TaskKind, e *Effect) string {
	records := 0
	for _, s := range e.Sides {
		records += len(s.Records)
	}
	switch {
	case kind == TaskOverlay:
		return "overlay"
	case kind == TaskReopen:
		return "reopen"
	case e.consenting() > 1:
		return "consents"
	case e.documents() > secondDocuments:
		return "documents"
	case records > secondRecords:
		return "size"
	}
	return ""
}

// errPreview ends a transaction that was only to be looked at.
var errPreview = errors.New("mpi: preview")

// preview runs f as it would be run, looks at what it does, and takes everything back: nothing is written.
func (x *Index) preview(ctx context.Context, kind TaskKind, cause Cause, actor hie.Actor, f func(*change) error) (Effect, error) {
	var out Effect
	err := x.update(ctx, func(tx attempt) error {
		c := x.newChange(tx, cause, actor, "preview")
		if err := f(c); err != nil {
			return err
		}
		var err error
		if out, err = c.effect(ctx); err != nil {
			return err
		}
		return errPreview
	})
	if !errors.Is(err, errPreview) {
		return Effect{}, err
	}
	if err := x.weighStakes(ctx, &out); err != nil {
		return Effect{}, err
	}
	out.Second = second(kind, &out)
	return out, nil
}

// effect says what c has done so far.
func (c *change) effect(ctx context.Context) (Effect, error) {
	var out Effect
	from := map[hie.SourcePatientID]hie.PersonID{}
	persons := map[hie.PersonID]bool{}
	for _, e := range c.events {
		if e.Kind != EventMoved {
			continue
		}
		if e.From.Person == e.To.Person {
			out.Links = append(out.Links, e.Record)
			continue
		}
		if _, seen := from[e.Record]; !seen {
			from[e.Record] = e.From.Person
		}
		persons[e.From.Person], persons[e.To.Person] = true, true
	}
	out.Links = sortedRecords(out.Links)
	delete(persons, 0)
	if len(persons) == 0 {
		return out, nil
	}
	rows, err := c.tx.Members(ctx, sortedKeys(persons))
	if err != nil {
		return Effect{}, err
	}
	sides := map[[2]hie.PersonID]*Side{}
	for _, m := range rows {
		was, moved := from[m.Record]
		if !moved {
			was = m.Person
		}
		key := [2]hie.PersonID{was, m.Person}
		s := sides[key]
		if s == nil {
			s = &Side{From: was, To: m.Person}
			if c.fresh[m.Person] {
				s.To = 0
			}
			sides[key] = s
		}
		s.Records = append(s.Records, m.Record)
		if !slices.Contains(s.Sites, m.Site) {
			s.Sites = append(s.Sites, m.Site)
		}
	}
	for _, s := range sides {
		slices.Sort(s.Records)
		slices.Sort(s.Sites)
		out.Sides = append(out.Sides, *s)
	}
	slices.SortFunc(out.Sides, func(a, b Side) int { return cmp.Compare(a.Records[0], b.Records[0]) })
	return out, nil
}

// weighStakes fills in what hangs on the sides.
func (x *Index) weighStakes(ctx context.Context, e *Effect) error {
	if x.stakes == nil || len(e.Sides) == 0 {
		return nil
	}
	var all []hie.SourcePatientID
	for _, s := range e.Sides {
		all = append(all, s.Records...)
	}
	stakes, err := x.stakes(ctx, all)
	if err != nil {
		return fmt.Errorf("stakes: %w", err)
	}
	rows, err := x.store.Patients(ctx, all)
	if err != nil {
		return err
	}
	site := map[hie.SourcePatientID]hie.SiteID{}
	for _, r := range rows {
		site[r.Record] = r.Site
	}
	for i := range e.Sides {
		s := &e.Sides[i]
		for _, r := range s.Records {
			if n := stakes[r].Documents; n > 0 {
				if s.Documents == nil {
					s.Documents = map[hie.SiteID]int64{}
				}
				s.Documents[site[r]] += n
			}
			for kind, n := range stakes[r].Consents {
				if s.Consents == nil {
					s.Consents = map[string]int64{}
				}
				s.Consents[kind] += n
			}
		}
	}
	return nil
}

// PreviewDecision says what Decide would do. Errors are those of Decide.
func (x *Index) PreviewDecision(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v Verdict) (Effect, error) {
	if err := checkDecision(a, b, v, "preview"); err != nil {
		return Effect{}, fmt.Errorf("mpi: preview decision: %w", err)
	}
	kind := TaskCrossSite
	if was, err := verdictOn(ctx, x.store, a, b); err != nil {
		return Effect{}, fmt.Errorf("mpi: preview decision: %w", err)
	} else if was != Clear && was != v {
		kind = TaskReopen
	}
	e, err := x.preview(ctx, kind, CauseSteward, actor, func(c *change) error { return x.decide(ctx, c, a, b, v) })
	if err != nil {
		return Effect{}, fmt.Errorf("mpi: preview decision: %w", err)
	}
	return e, nil
}

// PreviewTask says what Settle would do. Errors are those of Settle.
func (x *Index) PreviewTask(ctx context.Context, actor hie.Actor, id TaskID, v Verdict) (Effect, error) {
	task, err := x.store.TaskByID(ctx, id)
	if err != nil {
		return Effect{}, fmt.Errorf("mpi: preview task: %w", err)
	}
	if !task.Closed.IsZero() {
		return Effect{}, fmt.Errorf("mpi: preview task: %w", hie.ErrConflict)
	}
	if err := checkSettling(v, "preview"); err != nil {
		return Effect{}, fmt.Errorf("mpi: preview task: %w", err)
	}
	e, err := x.preview(ctx, task.Kind, CauseSteward, actor, func(c *change) error { return x.settle(ctx, c, task, v) })
	if err != nil {
		return Effect{}, fmt.Errorf("mpi: preview task: %w", err)
	}
	if v == Clear {
		e.Second = ""
	}
	return e, nil
}

// PreviewUndo says what Undo would do. Errors are those of Undo.
func (x *Index) PreviewUndo(ctx context.Context, actor hie.Actor, id ChangeID) (Effect, error) {
	e, err := x.preview(ctx, TaskCrossSite, CauseUndo, actor, func(c *change) error { return x.undo(ctx, c, id) })
	if err != nil {
		return Effect{}, fmt.Errorf("mpi: preview undo: %w", err)
	}
	e.Second = "" // undoing restores what was: it needs nobody else
	return e, nil
}
