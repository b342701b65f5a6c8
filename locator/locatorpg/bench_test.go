package locatorpg

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatortest"
)

func BenchmarkPublish(b *testing.B) {
	f := newFixture(b)
	var n atomic.Int64
	f.MustPublish(b, locatortest.Doc(1, "warm", 1))
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			i := n.Add(1)
			if _, err := f.Publish(context.Background(), locatortest.General, []locator.Submission{locatortest.Doc(hie.SourcePatientID(1+i%1000), fmt.Sprint("b", i), int(i%300))}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

// fill loads per documents for each of n records from 1 on.
func fill(b *testing.B, f fixture, n, per int) {
	b.Helper()
	batch := Batch{Feed: fmt.Sprint("fill", n, per), Event: audit.NewEvent(audit.DocumentPublished, locatortest.General, hie.Now())}
	for i := range n * per {
		d, err := f.Ready(locatortest.General, locatortest.Doc(hie.SourcePatientID(1+i/per), fmt.Sprint("f", n, "-", i), i%300))
		if err != nil {
			b.Fatal(err)
		}
		batch.Documents, batch.Lines, batch.Upto = append(batch.Documents, d), append(batch.Lines, int64(i+1)), int64(i+1)
		if len(batch.Documents) == 8000 || i == n*per-1 {
			if _, err := f.store.Load(context.Background(), batch); err != nil {
				b.Fatal(err)
			}
			batch.From, batch.Documents, batch.Lines, batch.Event = batch.Upto, nil, nil, audit.NewEvent(audit.DocumentPublished, locatortest.General, hie.Now())
		}
	}
	if _, err := f.db.Exec(context.Background(), `analyze locator.pointer, locator.pointer_body, locator.presence`); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkFind(b *testing.B) {
	f := newFixture(b)
	fill(b, f, 2000, 15)
	// One heavy record besides.
	batch := Batch{Feed: "heavy", Event: audit.NewEvent(audit.DocumentPublished, locatortest.General, hie.Now()), Upto: 10000}
	for i := range 10000 {
		d, err := f.Ready(locatortest.General, locatortest.Doc(5000, fmt.Sprint("h", i), i%3000))
		if err != nil {
			b.Fatal(err)
		}
		batch.Documents, batch.Lines = append(batch.Documents, d), append(batch.Lines, int64(i+1))
	}
	if _, err := f.store.Load(context.Background(), batch); err != nil {
		b.Fatal(err)
	}
	kinds := f.kindsOf(b, 1)
	ctx := context.Background()
	find := func(name string, plans func(i int) []locator.Plan, filter locator.Filter) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if _, err := f.Find(ctx, filter, plans(i), locator.Cursor{}, 50); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	ordinary := func(i int) []locator.Plan {
		var out []locator.Plan
		for k := range 3 {
			out = append(out, locator.Plan{Record: hie.SourcePatientID(1 + (i*3+k)%2000), Kinds: kinds})
		}
		return out
	}
	heavy := func(int) []locator.Plan { return []locator.Plan{{Record: 5000, Kinds: kinds}} }
	filter := locator.Filter{Status: []locator.Status{locator.Current}, Codes: []locator.CodeClause{{Field: locator.FieldType, Any: []locator.CodeMatch{{Code: "34133-9", AnySystem: true}}}}}
	find("ordinary 3x15", ordinary, locator.Filter{})
	find("ordinary 3x15, status and type", ordinary, filter)
	find("heavy 10000", heavy, locator.Filter{})
	find("heavy 10000, status and type", heavy, filter)
	b.Run("count heavy", func(b *testing.B) {
		for range b.N {
			if _, err := f.Count(ctx, locator.Filter{}, heavy(0), locator.Cursor{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("presence 3", func(b *testing.B) {
		for i := range b.N {
			if _, err := f.Presence(ctx, []hie.SourcePatientID{hie.SourcePatientID(1 + i%1000), 5, 7}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func (f fixture) kindsOf(b *testing.B, record hie.SourcePatientID) []int64 {
	ps, err := f.Presence(context.Background(), []hie.SourcePatientID{record})
	if err != nil {
		b.Fatal(err)
	}
	var out []int64
	for _, p := range ps {
		out = append(out, p.Kind.ID)
	}
	return out
}

// BenchmarkLoad stores ready documents in batches of 8000: the database's part of a bulk load.
func BenchmarkLoad(b *testing.B) {
	f := newFixture(b)
	ctx := context.Background()
	batch := Batch{Feed: "bench", Event: audit.NewEvent(audit.DocumentPublished, locatortest.General, hie.Now())}
	for i := range b.N {
		d, err := f.Ready(locatortest.General, locatortest.Doc(hie.SourcePatientID(1+i/15), fmt.Sprint("l", i), i%300))
		if err != nil {
			b.Fatal(err)
		}
		batch.Documents, batch.Lines, batch.Upto = append(batch.Documents, d), append(batch.Lines, int64(i+1)), int64(i+1)
	}
	all := batch
	b.ResetTimer()
	for from := 0; from < b.N; from += 8000 {
		to := min(from+8000, b.N)
		batch.From, batch.Upto, batch.Documents, batch.Lines = int64(from), int64(to), all.Documents[from:to], all.Lines[from:to]
		batch.Event = audit.NewEvent(audit.DocumentPublished, locatortest.General, hie.Now())
		if _, err := f.store.Load(ctx, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}
