package federationpg

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/locator"
)

func TestWhatASiteToldIsKeptForAWhile(t *testing.T) {
	ctx, h := context.Background(), New(pgtest.DB(t))
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 123000, time.UTC)
	at := func(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }
	doc := func(record, id int64) locator.Pointer {
		return locator.Pointer{Record: hie.SourcePatientID(record), ID: hie.PointerID(id), Site: "rural", Received: fmt.Appendf(nil, `{"n":%d}`, id)}
	}
	kept := func(asked, now time.Time, records ...hie.SourcePatientID) int {
		t.Helper()
		told, err := h.Kept(ctx, records, asked, now)
		if err != nil {
			t.Fatal(err)
		}
		return len(told)
	}
	var docs []locator.Pointer
	for i := range int64(238) { // more than any one statement stores
		docs = append(docs, doc(1, i+1))
	}
	docs = append(docs, docs[0], doc(2, 1)) // one told twice in one answer, one of another record
	if err := h.Keep(ctx, docs, at(0), at(10)); err != nil {
		t.Fatal(err)
	}
	if n := kept(at(0), at(5), 1); n != 238 {
		t.Errorf("%d kept, want 238", n)
	}
	if n := kept(at(0), at(5), 1, 2, 3); n != 239 {
		t.Errorf("%d kept of three records, want 239", n)
	}
	told, err := h.Read(ctx, locator.Ref{Record: 1, ID: 7}, at(5))
	if err != nil || string(told.Received) != `{"n":7}` || told.Site != "rural" || told.Record != 1 || told.ID != 7 {
		t.Errorf("read: %v", err)
	}
	for name, ref := range map[string]locator.Ref{"an unknown one": {Record: 1, ID: 999}, "one of another record": {Record: 2, ID: 7}} {
		if _, err := h.Read(ctx, ref, at(5)); !errors.Is(err, hie.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	if _, err := h.Read(ctx, locator.Ref{Record: 1, ID: 7}, at(10)); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("expired: %v, want ErrNotFound", err)
	}

	// A second answer, a minute later, tells of one old and one new document: the first answer's pages show what it had.
	if err := h.Keep(ctx, []locator.Pointer{doc(1, 1), doc(1, 1000)}, at(1), at(11)); err != nil {
		t.Fatal(err)
	}
	if n := kept(at(0), at(5), 1); n != 238 {
		t.Errorf("the first answer now has %d, want 238", n)
	}
	if n := kept(at(1), at(5), 1); n != 2 {
		t.Errorf("the second answer has %d, want 2", n)
	}

	if n := kept(time.Time{}, at(5), 1); n != 239 {
		t.Errorf("both answers together have %d, want 239", n)
	}

	if n, err := h.Sweep(ctx, at(10)); err != nil || n != 238 {
		t.Errorf("swept %d, %v; want 238", n, err)
	}
	if n := kept(at(1), at(10), 1); n != 2 {
		t.Errorf("the sweep took what had not expired: %d left, want 2", n)
	}
	// Told again after it had expired, it is first told then.
	if err := h.Keep(ctx, []locator.Pointer{doc(1, 1)}, at(30), at(40)); err != nil {
		t.Fatal(err)
	}
	if n := kept(at(1), at(31), 1); n != 0 {
		t.Errorf("an old answer has %d of what was told later", n)
	}
}

func TestAnswersKeptAtOnceDoNotStopEachOther(t *testing.T) {
	ctx, h := context.Background(), New(pgtest.DB(t))
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var docs []locator.Pointer
	for i := range int64(60) {
		docs = append(docs, locator.Pointer{Record: 1, ID: hie.PointerID(i + 1), Site: "rural", Received: []byte("{}")})
	}
	var wg sync.WaitGroup
	for i := range 8 {
		mine := append(append([]locator.Pointer{}, docs[i*7:]...), docs[:i*7]...) // each in an order of its own
		wg.Go(func() {
			if err := h.Keep(ctx, mine, now, now.Add(time.Minute)); err != nil {
				t.Errorf("keep: %v", err)
			}
		})
	}
	wg.Wait()
}
