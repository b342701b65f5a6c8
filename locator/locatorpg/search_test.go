package locatorpg

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatortest"
)

// statements counts what a database is asked, by text.
type statements struct {
	mu   sync.Mutex
	seen map[string]int
}

func (s *statements) saw(q string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[q]++
}

func (s *statements) reset() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.seen
	s.seen = map[string]int{}
	return out
}

func TestAPageCostsOneStatementASourcePatient(t *testing.T) {
	s := &statements{seen: map[string]int{}}
	db, err := pg.Open(context.Background(), pgtest.URL(t), pg.Options{OnQuery: s.saw})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f := fixtureOn(t, db)
	r := rand.New(rand.NewPCG(3, 4))
	var records []hie.SourcePatientID
	for i := range 10 {
		records = append(records, hie.SourcePatientID(100+i))
	}
	f.MustPublish(t, locatortest.Various(r, 300, records...)...)
	ctx := context.Background()
	for _, n := range []int{1, 3, 4, 5, 10} {
		plans := f.Everything(t, records[:n]...)
		texts := map[string]bool{}
		for range 5 { // whatever the parameters, the text is one of two
			s.reset()
			page, err := f.Find(ctx, locatortest.RandomFilter(r), plans, locator.Cursor{}, 20)
			if err != nil {
				t.Fatal(err)
			}
			_ = page
			seen := s.reset()
			total := 0
			for q, k := range seen {
				total += k
				texts[q] = true
			}
			if total != n {
				t.Errorf("%d records cost %d statements", n, total)
			}
		}
		if len(texts) > 2 {
			t.Errorf("searches use %d texts: %v", len(texts), slices.Collect(maps.Keys(texts)))
		}
	}
	s.reset()
	if _, err := f.Presence(ctx, records); err != nil {
		t.Fatal(err)
	}
	if seen := s.reset(); len(seen) != 1 {
		t.Errorf("presence of ten records cost %d statements", len(seen))
	}
}

// A person that gains or loses records is another list of plans: nothing of the locator is written, and the
// answer is exactly the one from before once the link is gone.
func TestLinkingAndUnlinkingTouchesNoPointer(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	for n := range 10 {
		var subs []locator.Submission
		for i := range 1000 {
			subs = append(subs, locatortest.Doc(hie.SourcePatientID(7+(i%2)), fmt.Sprint("m", n, "-", i), i%300))
		}
		f.MustPublish(t, subs...)
	}
	marks := func() string {
		var b strings.Builder
		for _, table := range []string{"pointer", "pointer_body", "presence", "doc_key"} {
			var s string
			if err := f.db.QueryRow(ctx, `select md5(string_agg(xmin::text || ctid::text, ',' order by ctid)) from locator.`+table).Scan(&s); err != nil {
				t.Fatal(err)
			}
			b.WriteString(s)
		}
		return b.String()
	}
	before, rows := locatortest.IDs(f.All(t, locator.Filter{}, f.Everything(t, 7), 500)), marks()
	both := f.All(t, locator.Filter{}, f.Everything(t, 7, 8), 500)
	if len(both) != 10000 || !slices.IsSortedFunc(both, func(a, b locator.Pointer) int {
		if c := b.SortAt.Compare(a.SortAt); c != 0 {
			return c
		}
		return int(min(max(b.ID-a.ID, -1), 1))
	}) {
		t.Errorf("linked: %d documents, want 10000 in order", len(both))
	}
	if after := locatortest.IDs(f.All(t, locator.Filter{}, f.Everything(t, 7), 500)); !slices.Equal(after, before) {
		t.Errorf("unlinked: the answer differs from before")
	}
	if marks() != rows {
		t.Errorf("rows of the locator were written")
	}
}
