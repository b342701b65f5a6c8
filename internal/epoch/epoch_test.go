package epoch

import (
	"context"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

func TestAnEpochMovesOnlyForItsOwnRecord(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	for range 2 {
		if err := Move(ctx, db, 1); err != nil {
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
