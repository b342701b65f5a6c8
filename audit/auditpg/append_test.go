package auditpg

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

func TestAppendWritesEventsWithTheirRecordsInTheCallersTransaction(t *testing.T) {
	db, ctx := pgtest.DB(t), context.Background()
	count := func() (events, records, pending int) {
		t.Helper()
		err := db.QueryRow(ctx, `select (select count(*) from audit.event), (select count(*) from audit.event_record),
			(select count(*) from audit.pending)`).Scan(&events, &records, &pending)
		if err != nil {
			t.Fatal(err)
		}
		return events, records, pending
	}
	events := make([]audit.Event, 0, 100)
	for i := range 100 {
		e := audit.NewEvent(audit.DocumentsQueried, hie.Actor{Organization: "org-1", User: "u"}, time.Now())
		for j := range i % 12 {
			e = e.About(hie.SourcePatientID(1000 + j))
		}
		events = append(events, e)
	}
	wantRecords := 0
	for _, e := range events {
		wantRecords += len(e.Records)
	}
	undone := errors.New("undone")
	err := pg.InTx(ctx, db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		if err := Append(ctx, tx, events...); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	if e, r, p := count(); e != 0 || r != 0 || p != 0 {
		t.Errorf("an undone change left %d events, %d records, %d pending", e, r, p)
	}
	if err := New(db).Record(ctx, events...); err != nil {
		t.Fatal(err)
	}
	if e, r, p := count(); e != 100 || r != wantRecords || p != 100 {
		t.Errorf("got %d events, %d records, %d pending; want 100, %d, 100", e, r, p, wantRecords)
	}
}

func TestRecordGoesOnWhenTheCallerHangsUp(t *testing.T) {
	db := pgtest.DB(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e := audit.NewEvent(audit.Refused, hie.Actor{}, time.Now()).About(7)
	if err := New(db).Record(ctx, e); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow(context.Background(), `select count(*) from audit.event_record where sp_id = 7`).Scan(&n); err != nil || n != 1 {
		t.Errorf("got %d rows (%v), want 1", n, err)
	}
}

func TestAnEventWhoseTimeWasChangedIsRefused(t *testing.T) {
	e := audit.NewEvent(audit.Refused, hie.Actor{}, time.Now())
	e.Time = e.Time.Add(-time.Hour)
	if err := New(pgtest.DB(t)).Record(context.Background(), e); err == nil {
		t.Errorf("an event whose id and time disagree was recorded")
	}
}

func TestCallersThatShareATransactionEachLearnTheirOwnFate(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	log := New(db)
	var wg sync.WaitGroup
	var acknowledged sync.Map
	for g := range 40 {
		wg.Go(func() {
			for i := range 10 {
				n := 1 + (g+i)%3
				events := make([]audit.Event, n)
				for j := range events {
					events[j] = audit.NewEvent(audit.Disclosed, hie.Actor{Organization: "org-1"}, time.Now()).About(hie.SourcePatientID(g + 1))
				}
				bad := (g+i)%7 == 0
				if bad {
					events[n-1].Time = events[n-1].Time.Add(time.Hour)
				}
				err := log.Record(ctx, events...)
				if bad != (err != nil) {
					t.Errorf("bad %v, error %v", bad, err)
				}
				for _, e := range events {
					acknowledged.Store(e.ID, err == nil)
				}
			}
		})
	}
	wg.Wait()
	stored, err := pg.Collect(ctx, db, scanText, `select id from audit.event`)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	acknowledged.Range(func(_, ok any) bool {
		if ok.(bool) {
			want++
		}
		return true
	})
	if len(stored) != want {
		t.Errorf("%d events are stored, %d were acknowledged", len(stored), want)
	}
	for _, id := range stored {
		if ok, _ := acknowledged.Load(id); ok != true {
			t.Errorf("event %s is stored and was not acknowledged", id)
		}
	}
	if !log.group.Idle() {
		t.Error("somebody waits or writes after all is done")
	}
}

func TestAFailedTransactionIsReportedToAllWhoSharedIt(t *testing.T) {
	db := pgtest.DB(t)
	log := New(db)
	_ = db.Close()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := log.Record(context.Background(), audit.NewEvent(audit.Refused, hie.Actor{}, time.Now())); err == nil {
				t.Error("a record that was not made was acknowledged")
			}
		})
	}
	wg.Wait()
	if !log.group.Idle() {
		t.Error("somebody waits or writes after all is done")
	}
}
