package locatorpg

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatortest"
)

// A page of a patient with many documents must be read in the index's order and stop at its limit, also under
// the plan PostgreSQL keeps for any parameters once it has seen a few.
func TestAPageOfAHeavyPatientIsReadInOrderAndStops(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	batch := Batch{Feed: "heavy", Event: audit.NewEvent(audit.DocumentPublished, locatortest.General, hie.Now()), Upto: 6000}
	for i := range 6000 {
		d, err := f.Ready(locatortest.General, locatortest.Doc(hie.SourcePatientID(1+(i%3)*i%200), fmt.Sprint("h", i), i%3000))
		if err != nil {
			t.Fatal(err)
		}
		batch.Documents, batch.Lines = append(batch.Documents, d), append(batch.Lines, int64(i+1))
	}
	if _, err := f.store.Load(ctx, batch); err != nil {
		t.Fatal(err)
	}
	if _, err := f.db.Exec(ctx, `analyze locator.pointer, locator.pointer_body`); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode, text string
		args       int // how many of those all searches share
	}{
		{"force_generic_plan", selectRowsReceived, 16}, {"force_custom_plan", selectRowsReceived, 16},
		{"force_generic_plan", selectRowsPlain, 4}, {"force_custom_plan", selectRowsPlain, 4},
	} {
		mode := fmt.Sprintf("%s_%d", c.mode, c.args)
		conn, err := f.db.SQL().Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(ctx, `set plan_cache_mode = `+c.mode); err != nil {
			t.Fatal(err)
		}
		kinds := f.Everything(t, 1)[0].Kinds
		args := append(arguments(1, locator.Query{Kinds: kinds})[:c.args], "infinity", int64(1)<<62, 51)
		if _, err := conn.ExecContext(ctx, `prepare page_`+mode+` as `+c.text); err != nil {
			t.Fatal(pg.Clean(ctx, err))
		}
		literals := make([]string, len(args))
		for i, a := range args {
			switch a := a.(type) {
			case []int64, []string:
				literals[i] = "'" + strings.NewReplacer("[", "{", "]", "}", " ", ",").Replace(fmt.Sprint(a)) + "'"
			case string:
				literals[i] = "'" + a + "'"
			default:
				literals[i] = fmt.Sprint(a)
			}
		}
		rows, err := conn.QueryContext(ctx, `explain (analyze, timing off, summary off) execute page_`+mode+` (`+strings.Join(literals, ", ")+`)`)
		if err != nil {
			t.Fatal(pg.Clean(ctx, err))
		}
		var plan strings.Builder
		for rows.Next() {
			var l string
			if err := rows.Scan(&l); err != nil {
				t.Fatal(err)
			}
			plan.WriteString(l + "\n")
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		if !strings.Contains(plan.String(), "pointer_page") || !strings.Contains(plan.String(), "pointer_body_pkey") || strings.Contains(plan.String(), "Bitmap") || strings.Contains(plan.String(), "Seq Scan") || strings.Contains(plan.String(), "Sort Method") {
			t.Errorf("%s:\n%s", mode, plan.String())
		}
	}
}
