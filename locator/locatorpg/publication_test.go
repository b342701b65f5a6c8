package locatorpg

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatortest"
)

// Publications that come at the same time share transactions. What is wrong with one is that one's alone: its
// neighbours are stored, the same document again is told so, and a changed one is a conflict.
func TestWhoSharesATransactionAnswersForNobodyElse(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	f.MustPublish(t, locatortest.Doc(1, "taken", 1))
	var wg sync.WaitGroup
	results := make([]error, 240)
	existing := make([]bool, len(results))
	for i := range results {
		wg.Go(func() {
			doc := locatortest.Doc(hie.SourcePatientID(1+i%7), fmt.Sprint("d", i), i%300)
			switch i % 6 {
			case 0: // the same document from several at once
				doc = locatortest.Doc(2, fmt.Sprint("same", i/24), 1)
			case 1:
				doc = locatortest.Doc(1, "taken", 1, func(p *locator.Pointer) { p.Hash = locatortest.SHA1("other") })
			case 2: // text no column takes
				doc = locatortest.Doc(1, fmt.Sprint("b", i), 1, func(p *locator.Pointer) { p.Location.Path = "Binary/\x00" })
			}
			done, err := f.Publish(ctx, locatortest.General, []locator.Submission{doc})
			results[i] = err
			existing[i] = err == nil && done[0].Existing
		})
	}
	wg.Wait()
	fresh := 0
	for i, err := range results {
		switch i % 6 {
		case 1:
			if !errors.Is(err, hie.ErrConflict) {
				t.Errorf("%d: another hash gives %v, want a conflict", i, err)
			}
		case 2:
			if err == nil || errors.Is(err, hie.ErrConflict) {
				t.Errorf("%d: a text no column takes gives %v", i, err)
			}
		default:
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
			if i%6 == 0 && !existing[i] {
				fresh++
			}
			if i%6 > 2 && existing[i] {
				t.Errorf("%d: a new document is said to exist", i)
			}
		}
	}
	if fresh != len(results)/24 {
		t.Errorf("%d of the documents published by several were stored, want %d", fresh, len(results)/24)
	}
	var pointers, events int
	if err := f.db.QueryRow(ctx, `select (select count(*) from locator.pointer), (select count(*) from audit.event where kind = 'document.published')`).Scan(&pointers, &events); err != nil {
		t.Fatal(err)
	}
	if want := 1 + len(results)/24 + len(results)/2; pointers != want || events != want {
		t.Errorf("%d pointers and %d events, want %d of each", pointers, events, want)
	}
}
