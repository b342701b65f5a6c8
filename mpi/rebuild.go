package mpi

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// The passes of a rebuild.
const (
	PassFeatures = 1 // features and keys of each row are brought to what this program writes
	PassLinks    = 2 // each record's neighbourhood is weighed anew
	PassDone     = 3
)

// A Rebuilding is how far a rebuild has come.
type Rebuilding struct {
	// Target names what rows are brought to: the version of the features and the model.
	Target string
	Pass   int
	// After is the last record of the pass that is done.
	After hie.SourcePatientID
	// Seen counts records gone through in both passes, Changed rows rewritten, Moved changes of links.
	Seen, Changed, Moved int64
	Updated              time.Time
}

// Done reports whether nothing is left to do.
func (r Rebuilding) Done() bool { return r.Pass >= PassDone }

// rebuildTarget names what this index writes.
func (x *Index) rebuildTarget() string {
	return fmt.Sprintf("features %d, model %s", featuresVersion, x.model.ID)
}

// RebuildState returns how far the rebuild to this program's features and this index's model has come; one that was
// never begun stands at the start of its first pass.
func (x *Index) RebuildState(ctx context.Context) (Rebuilding, error) {
	r, err := x.store.Rebuilding(ctx, x.rebuildTarget())
	if errors.Is(err, hie.ErrNotFound) {
		return Rebuilding{Target: x.rebuildTarget(), Pass: PassFeatures}, nil
	}
	if err != nil {
		return Rebuilding{}, fmt.Errorf("mpi: rebuild: %w", err)
	}
	return r, nil
}

// A Move is a link that weighing anew changes.
type Move struct {
	Record   hie.SourcePatientID
	Other    hie.SourcePatientID // the record it moves because of, or 0
	From, To hie.PersonID        // To is 0 for a person that does not exist yet
	Grade    Grade
	Bits     Bits
	Evidence []Evidence
}

// Rebuild goes through up to n records from where r stands and returns where it stands then, and what links changed.
// Each record is a transaction of its own; the progress is kept, so that a rebuild that was stopped goes on, and going
// through a record twice changes nothing more. With dry set nothing is written, neither rows nor progress, and each record
// is judged as if it were the first.
//
// Rows another version of the program wrote are weighed by what they say as soon as an edge leads to them, but are found
// under their keys only once they are rebuilt.
func (x *Index) Rebuild(ctx context.Context, actor hie.Actor, r Rebuilding, n int, dry bool) (Rebuilding, []Move, error) {
	if r.Done() {
		return r, nil, nil
	}
	records, err := x.store.Find(ctx, Probe{}, r.After, n)
	if err != nil {
		return r, nil, fmt.Errorf("mpi: rebuild: %w", err)
	}
	var moves []Move
	for _, record := range records {
		if r.Pass == PassFeatures {
			changed, err := x.rewrite(ctx, record, dry)
			if err != nil {
				return r, moves, fmt.Errorf("mpi: rebuild: %w", err)
			}
			if changed {
				r.Changed++
			}
		} else {
			moved, err := x.reweigh(ctx, actor, record, dry)
			if err != nil {
				return r, moves, fmt.Errorf("mpi: rebuild: %w", err)
			}
			moves = append(moves, moved...)
			r.Moved += int64(len(moved))
		}
		r.After = record
		r.Seen++
	}
	if len(records) < n {
		r.Pass, r.After = r.Pass+1, 0
	}
	r.Updated = x.now()
	if dry {
		return r, moves, nil
	}
	err = x.store.Update(ctx, func(tx Tx) error { return tx.PutRebuilding(ctx, r) })
	if err != nil {
		return r, moves, fmt.Errorf("mpi: rebuild: %w", err)
	}
	return r, moves, nil
}

// accepted returns what row is matched on: what it says now, or said last before an update that is in dispute, with what
// it said before of that which changes in a life.
func (x *Index) accepted(ctx context.Context, r Reader, row *PatientRow, disputed bool) (Demographics, Features, error) {
	d := row.Demographics
	versions, err := r.RecordVersions(ctx, row.Record)
	if err != nil {
		return d, Features{}, err
	}
	versions = slices.DeleteFunc(versions, func(v Version) bool { return v.Disputed })
	if disputed && len(versions) > 0 {
		d = versions[len(versions)-1].Demographics
		versions = versions[:len(versions)-1]
	}
	extract := func(d Demographics) Features {
		reg := Registration{Local: row.Local, Demographics: d}
		return Extract(row.Site, reg.withLocal())
	}
	var before *Features
	for _, said := range append(demographicsOf(versions), d) {
		f := extract(said)
		if before != nil {
			if set := x.model.againstSelf(before, &f); set.Bits >= x.model.Overlay {
				f.remember(before)
			}
		}
		before = &f
	}
	return d, *before, nil
}

func demographicsOf(versions []Version) []Demographics {
	out := make([]Demographics, len(versions))
	for i, v := range versions {
		out[i] = v.Demographics
	}
	return out
}

// membership reads record's row and membership, the row locked by its claim.
func membership(ctx context.Context, tx Tx, record hie.SourcePatientID) (PatientRow, MemberRow, error) {
	row, err := patient(ctx, tx, record)
	if err != nil {
		return row, MemberRow{}, err
	}
	if _, err := tx.Claim(ctx, row.Local, record); err != nil {
		return row, MemberRow{}, err
	}
	if row, err = patient(ctx, tx, record); err != nil { // again: the claim may have waited
		return row, MemberRow{}, err
	}
	members, err := tx.Members(ctx, []hie.PersonID{row.Person})
	if err != nil {
		return row, MemberRow{}, err
	}
	for _, m := range members {
		if m.Record == record {
			return row, m, nil
		}
	}
	return row, MemberRow{}, errMoved
}

// rewrite brings one row's features and keys to what this program writes, and reports whether they were not.
func (x *Index) rewrite(ctx context.Context, record hie.SourcePatientID, dry bool) (changed bool, err error) {
	err = x.update(ctx, func(tx attempt) error {
		row, self, err := membership(ctx, tx, record)
		if err != nil {
			return err
		}
		said, f, err := x.accepted(ctx, tx, &row, self.Link == hie.LinkDisputed)
		if err != nil {
			return err
		}
		var keys []int64
		if row.Active {
			r := Registration{Local: row.Local, Demographics: said}
			keys = hashes(Keys(r.withLocal()))
		}
		features := f.AppendTo(nil)
		same := slices.Equal(keys, row.Keys)
		changed = !same || !bytes.Equal(features, self.Features)
		if !changed || dry {
			return nil
		}
		if !same {
			if err := x.rekey(ctx, tx, row.Keys, keys); err != nil {
				return err
			}
		}
		dead := slices.DeleteFunc(slices.Clone(row.Keys), func(k int64) bool { _, in := slices.BinarySearch(keys, k); return in })
		if err := tx.PutCandidates(ctx, record, keys, dead, features); err != nil {
			return err
		}
		if !same {
			row.Keys = keys
			if err := tx.PutPatient(ctx, row); err != nil {
				return err
			}
		}
		return tx.PutFeatures(ctx, row.Person, record, features)
	})
	return changed, err
}

// rekey moves the counts of a record's keys from old to now, both sorted.
func (x *Index) rekey(ctx context.Context, tx Tx, old, now []int64) error {
	counts, err := tx.KeyCounts(ctx, append(slices.Clone(old), now...))
	if err != nil {
		return err
	}
	var claims []KeyClaim
	for _, k := range now {
		if _, had := slices.BinarySearch(old, k); !had && counts[k] <= x.hub {
			claims = append(claims, KeyClaim{k, 1})
		}
	}
	for _, k := range old {
		if _, kept := slices.BinarySearch(now, k); !kept && counts[k] <= x.hub {
			claims = append(claims, KeyClaim{k, -1})
		}
	}
	slices.SortFunc(claims, func(a, b KeyClaim) int { return cmp.Compare(a.Key, b.Key) })
	return tx.ClaimKeys(ctx, claims)
}

// reweigh settles one record's neighbourhood with this index's model and returns what moved.
func (x *Index) reweigh(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, dry bool) (moves []Move, err error) {
	err = x.update(ctx, func(tx attempt) error {
		row, self, err := membership(ctx, tx, record)
		if err != nil {
			return err
		}
		said, f, err := x.accepted(ctx, tx, &row, self.Link == hie.LinkDisputed)
		if err != nil {
			return err
		}
		c := x.newChange(tx, CauseRule, actor, "")
		var near []EdgeRow
		if row.Active {
			r := Registration{Local: row.Local, Demographics: said}
			seek := r.seeker(record)
			seek.features = f
			counts, err := tx.KeyCounts(ctx, hashes(seek.keys))
			if err != nil {
				return err
			}
			if near, err = x.near(ctx, tx, &seek, counts); err != nil {
				return err
			}
		}
		self.Features = f.AppendTo(nil)
		s, err := x.resettle(ctx, c, &self, near)
		if err != nil {
			return err
		}
		moves = c.moves()
		if dry {
			return errPreview
		}
		if _, err := s.ask(ctx); err != nil {
			return err
		}
		if err := c.finish(ctx); err != nil {
			return err
		}
		if len(c.events) == 0 {
			return nil
		}
		return tx.Record(ctx, c.auditEvents(actor)...)
	})
	if errors.Is(err, errPreview) {
		err = nil
	}
	return moves, err
}

// moves returns the changes of person c has made so far.
func (c *change) moves() []Move {
	var out []Move
	for _, e := range c.events {
		if e.Kind != EventMoved || e.From.Person == e.To.Person {
			continue
		}
		m := Move{Record: e.Record, Other: e.Other, From: e.From.Person, To: e.To.Person, Grade: e.Grade, Bits: e.Bits, Evidence: e.Evidence}
		if c.fresh[m.To] {
			m.To = 0
		}
		out = append(out, m)
	}
	return out
}
