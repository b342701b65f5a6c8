package locatorpg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatortest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// recount is what presence must say, counted from the pointers.
func recount(t interface{ Fatal(...any) }, db *pg.DB) []string {
	got, err := pg.Collect(context.Background(), db, func(r *pg.Rows) (string, error) {
		var s string
		err := r.Scan(&s)
		return s, err
	}, `select concat_ws(' ', sp_id, kind, count(*), count(*) filter (where status = 1), max(sort_at), min(site)) from locator.pointer group by sp_id, kind order by sp_id, kind`)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func kept(t interface{ Fatal(...any) }, db *pg.DB) []string {
	got, err := pg.Collect(context.Background(), db, func(r *pg.Rows) (string, error) {
		var s string
		err := r.Scan(&s)
		return s, err
	}, `select concat_ws(' ', sp_id, kind, count, current, newest, site) from locator.presence where count > 0 order by sp_id, kind`)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPresenceIsWhatCountingWouldGive(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	serial, round := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		round += 2 // records of its own for each round, so that rounds do not depend on each other
		var refs []locator.Ref
		steps := rapid.IntRange(1, 12).Draw(rt, "steps")
		for range steps {
			serial++
			record := hie.SourcePatientID(round + rapid.IntRange(0, 1).Draw(rt, "record"))
			s := locatortest.Doc(record, fmt.Sprint("r", serial), rapid.IntRange(0, 50).Draw(rt, "day"), locatortest.Category(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "class")))
			pick := func() (locator.Pointer, bool) {
				if len(refs) == 0 {
					return locator.Pointer{}, false
				}
				ref := refs[rapid.IntRange(0, len(refs)-1).Draw(rt, "which")]
				p, err := f.Read(ctx, ref.Record, ref.ID)
				return p, err == nil
			}
			var err error
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0, 1:
				var done []locator.Published
				if done, err = f.Publish(ctx, locatortest.General, []locator.Submission{s}); err == nil {
					refs = append(refs, done[0].Ref)
				}
			case 2:
				if p, ok := pick(); ok {
					s.Pointer.Record, s.Pointer.Relations = p.Record, []locator.Relation{{Code: "replaces", Target: p.Ref()}}
					_, err = f.Publish(ctx, locatortest.General, []locator.Submission{s})
				}
			case 3:
				if p, ok := pick(); ok {
					s.Pointer.Record, s.Pointer.MasterIdentifier, s.Pointer.Hash, s.Pointer.Status = p.Record, p.MasterIdentifier, p.Hash, p.Status
					_, err = f.Revise(ctx, locatortest.General, p.Record, p.ID, s, 0)
				}
			case 4:
				if p, ok := pick(); ok {
					err = f.Delete(ctx, locatortest.General, p.Record, p.ID, 0)
				}
			}
			if err != nil && !errors.Is(err, hie.ErrConflict) {
				rt.Fatal(err)
			}
		}
		if d := cmp.Diff(recount(rt, f.db), kept(rt, f.db)); d != "" {
			rt.Fatalf("presence differs from a recount (-counted +kept):\n%s", d)
		}
	})
}

func TestPresenceHoldsUnderManyWritersAtOnce(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			var mine []locator.Ref
			for i := range 25 {
				done, err := f.Publish(ctx, locatortest.General, []locator.Submission{
					locatortest.Doc(7, fmt.Sprint("w", w, "-", i), (w*25+i)%60, locatortest.Category([]string{"a", "b"}[i%2])), locatortest.Doc(8, fmt.Sprint("x", w, "-", i), i, locatortest.Category("b"))})
				if err != nil {
					t.Errorf("Publish = %v", err)
					return
				}
				mine = append(mine, done[0].Ref)
				if i%3 == 0 {
					p, err := f.Read(ctx, mine[0].Record, mine[0].ID)
					if err != nil {
						t.Errorf("Read = %v", err)
						return
					}
					s := locatortest.Doc(7, "", i, locatortest.Category("c"))
					s.Pointer.MasterIdentifier, s.Pointer.Hash = p.MasterIdentifier, p.Hash
					if _, err := f.Revise(ctx, locatortest.General, p.Record, p.ID, s, 0); err != nil {
						t.Errorf("Revise = %v", err)
					}
				}
				if i%4 == 3 {
					if err := f.Delete(ctx, locatortest.General, mine[0].Record, mine[0].ID, 0); err != nil {
						t.Errorf("Delete = %v", err)
					}
					mine = slices.Delete(mine, 0, 1)
				}
			}
		})
	}
	wg.Wait()
	if d := cmp.Diff(recount(t, f.db), kept(t, f.db)); d != "" {
		t.Errorf("presence differs from a recount (-counted +kept):\n%s", d)
	}
}

func FuzzDetail(f *testing.F) {
	s := locatortest.Doc(7, "a", 1)
	f.Add(encodeDetail(s.Pointer))
	f.Add([]byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p locator.Pointer
		if decodeDetail(b, &p) != nil {
			return
		}
		var again locator.Pointer
		if err := decodeDetail(encodeDetail(p), &again); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if d := cmp.Diff(p, again); d != "" {
			t.Errorf("a detail changed on its way:\n%s", d)
		}
	})
}
