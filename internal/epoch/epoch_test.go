package epoch

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

func TestEpochsOfThePastAreToldAndUnknownOnesAreNot(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	day := func(n int) time.Time { return time.Date(2026, 3, n, 12, 0, 0, 0, time.UTC) }
	for n := range 3 {
		if err := Move(ctx, db, 1, day(2+2*n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(ctx, `insert into locator.subject (sp_id, epoch) values (2, 7)`); err != nil { // from before moves were noted
		t.Fatal(err)
	}
	if err := Move(ctx, db, 2, day(4)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		day  int
		want map[hie.SourcePatientID]int64
	}{
		{"before any move", 1, map[hie.SourcePatientID]int64{1: 0, 3: 0}},
		{"between the first and the second", 3, map[hie.SourcePatientID]int64{1: 1, 3: 0}},
		{"at the instant of a move", 4, map[hie.SourcePatientID]int64{1: 2, 2: 8, 3: 0}},
		{"after the last", 9, map[hie.SourcePatientID]int64{1: 3, 2: 8, 3: 0}},
	} {
		got, err := ReadAt(ctx, db, []hie.SourcePatientID{1, 2, 3}, day(tt.day))
		if err != nil || !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestAnEpochMovesOnlyForItsOwnRecord(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	for range 2 {
		if err := Move(ctx, db, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := Ensure(ctx, db, 1); err != nil {
		t.Fatal(err)
	}
	if err := Ensure(ctx, db, 2); err != nil {
		t.Fatal(err)
	}
	got, err := Read(ctx, db, []hie.SourcePatientID{1, 2, 3})
	if err != nil || len(got) != 3 || got[1] != 2 || got[2] != 0 || got[3] != 0 {
		t.Errorf("epochs = %v, %v; want 1:2 2:0 3:0", got, err)
	}
}
