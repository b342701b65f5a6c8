package pg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

// What COPY's text format gives a meaning (tabs, ends of lines, backslashes, \N, \.) arrives as it was sent, in rows sent one by one
// and in rows made on all processors, in order.
func TestACopyBringsEveryValueAsItIs(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	if _, err := db.Exec(ctx, `create table public.copied (n bigint, s text, b bytea, x double precision, at timestamptz, yes boolean, ns bigint[])`); err != nil {
		t.Fatal(err)
	}
	texts := []string{"", "a\tb", "line\nline\r", `back\slash`, `\N`, `\.`, "é\u2028", strings.Repeat("long\\", 30_000), `{1,"2"}`}
	at := time.Date(1899, 12, 31, 23, 59, 59, 123456000, time.UTC)
	type label string
	const many = 5000
	err := pg.InCopyTx(ctx, db, func(tx *pg.Tx) error {
		c, err := pg.CopyInto(ctx, tx, `copy public.copied (n, s, b, x, at, yes, ns) from stdin`)
		if err != nil {
			return err
		}
		for i, s := range texts {
			c.Row(ctx, i, label(s), []byte(s), 0.1, at, true, pg.ArrayText([]int64{-1, 1 << 62}))
		}
		c.Row(ctx, -1, nil, []byte(nil), nil, nil, nil, nil)
		c.Rows(ctx, many, func(i int, r *pg.CopyRow) {
			s := texts[i%len(texts)]
			r.Int(int64(i + len(texts)))
			r.Text(s)
			r.Bytes([]byte(s))
			r.Float(0.1)
			r.Time(at)
			r.Bool(true)
			r.Ints([]int64{-1, 1 << 62})
		})
		return c.End(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(ctx, `select n, s, b, x, at, yes, ns from public.copied where n >= 0 order by n`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	next := 0
	for ; rows.Next(); next++ {
		var n int
		var s string
		var b []byte
		var x float64
		var when time.Time
		var yes bool
		var ns []int64
		if err := rows.Scan(&n, &s, &b, &x, &when, &yes, pg.Array(&ns)); err != nil {
			t.Fatal(err)
		}
		if want := texts[next%len(texts)]; n != next || s != want || !bytes.Equal(b, []byte(want)) || x != 0.1 || !when.Equal(at) || !yes || fmt.Sprint(ns) != "[-1 4611686018427387904]" {
			t.Fatalf("row %d came as number %d, %d bytes of text, %d of bytea, %v, %v, %v, %v", next, n, len(s), len(b), x, when, yes, ns)
		}
	}
	if next != len(texts)+many {
		t.Errorf("%d rows came, %d were sent", next, len(texts)+many)
	}
	var nulls int
	if err := db.QueryRow(ctx, `select num_nulls(s, b, x, at, yes, ns) from public.copied where n = -1`).Scan(&nulls); err != nil || nulls != 6 {
		t.Errorf("%d of 6 values are null, %v", nulls, err)
	}
}

func TestACopyThatFailsUndoesItsTransactionAndLeavesTheConnection(t *testing.T) {
	ctx := context.Background()
	db, err := pg.Open(ctx, pgtest.URL(t), pg.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec(ctx, `create table public.once (n bigint primary key)`); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for name, fails := range map[string]struct {
		rows []any
		ctx  context.Context
		is   func(error) bool
	}{
		"a row that is there":                   {[]any{1, 1}, ctx, pg.IsUnique},
		"a value no column takes":               {[]any{1, struct{}{}}, ctx, func(err error) bool { return err != nil }},
		"a caller who has hung up in the midst": {[]any{1, 2}, ended, func(err error) bool { return errors.Is(err, context.Canceled) }},
	} {
		err := pg.InCopyTx(ctx, db, func(tx *pg.Tx) error {
			c, err := pg.CopyInto(ctx, tx, `copy public.once (n) from stdin`)
			if err != nil {
				return err
			}
			for _, v := range fails.rows {
				c.Row(fails.ctx, v)
			}
			return c.End(fails.ctx)
		})
		if !fails.is(err) {
			t.Errorf("%s: %v", name, err)
		}
		var n int
		if err := db.QueryRow(ctx, `select count(*) from public.once`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d rows left, %v", name, n, err)
		}
	}
}
