package pg_test

import (
	"context"
	"slices"
	"testing"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

// However many ids a list has, the rows are those of its ids, each once, whatever else the statement asks.
func TestAFewIDsFindWhatAListFinds(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	if _, err := db.Exec(ctx, `create table public.few (id bigint primary key)`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, `insert into public.few select generate_series(1, 100)`); err != nil {
		t.Fatal(err)
	}
	scan := func(rows *pg.Rows) (int64, error) {
		var id int64
		err := rows.Scan(&id)
		return id, err
	}
	for n := range 20 {
		var ids pg.Few
		for i := range n {
			ids = append(ids, int64(90-4*i))
		}
		ids = append(ids, 200) // nobody's
		want := slices.Sorted(slices.Values([]int64(ids[:n])))
		for range 7 { // beyond the fifth run the server may keep its plan
			got, err := pg.Collect(ctx, db, scan, `select id from public.few where id > $1 and id = any($2) and id < $3 and id = any($2) order by id`, 0, ids, 1000)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%d ids: %v, %v; want %v", n, got, err, want)
			}
		}
	}
	if got, err := pg.Collect(ctx, db, scan, `select id from public.few where id = any($1)`, pg.Few(nil)); err != nil || len(got) != 0 {
		t.Errorf("no ids: %v, %v; want none", got, err)
	}
}
