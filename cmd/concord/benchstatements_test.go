package main

import (
	"fmt"
	"os"
	"strings"
)

// watchStatements makes PostgreSQL count what each statement costs, if CONCORD_BENCH_STATEMENTS says how many of the dearest to
// show a figure. Counting costs some per cent itself.
//
// Source: PostgreSQL manual, pg_stat_statements.
func (b *bencher) watchStatements(n int) {
	b.t.Helper()
	b.statements = n
	if n == 0 {
		return
	}
	do := func(statement string) {
		if _, err := b.db.SQL().ExecContext(b.ctx, statement); err != nil {
			b.t.Fatal(err)
		}
	}
	do(`alter system set shared_preload_libraries = 'pg_stat_statements'`)
	b.cluster.Stop() // the library is loaded with the server only; the nodes find it again
	b.restartPostgres()
	b.openDB()
	do(`create extension pg_stat_statements`)
	do(`alter system set pg_stat_statements.track_planning = on`)
	do(`select pg_reload_conf()`)
}

// countStatements begins to count; the returned function shows what was counted, for so many operations. Times are milliseconds
// an operation within the executor and the planner: what the server does around them (protocol, commit) is in no statement.
func (b *bencher) countStatements() (show func(operations float64)) {
	if b.statements == 0 || b.here {
		return func(float64) {}
	}
	if _, err := b.db.SQL().ExecContext(b.ctx, `select pg_stat_statements_reset()`); err != nil {
		b.t.Fatal(err)
	}
	return func(operations float64) {
		rows, err := b.db.SQL().QueryContext(b.ctx, `select calls, plans, total_exec_time, total_plan_time, rows, shared_blks_hit + shared_blks_read, wal_bytes::float8, query
			from pg_stat_statements order by total_exec_time + total_plan_time desc limit $1`, b.statements)
		if err != nil {
			b.t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		var out strings.Builder
		out.WriteString("calls   plans   exec ms plan ms rows    pages   WAL     each an operation\n")
		for rows.Next() {
			var f [7]float64
			var text string
			if err := rows.Scan(&f[0], &f[1], &f[2], &f[3], &f[4], &f[5], &f[6], &text); err != nil {
				b.t.Fatal(err)
			}
			for _, v := range f {
				fmt.Fprintf(&out, "%-7.4g ", v/operations)
			}
			text = strings.Join(strings.Fields(text), " ")
			fmt.Fprintln(&out, text[:min(len(text), 150)])
		}
		if err := rows.Err(); err != nil {
			b.t.Fatal(err)
		}
		fmt.Fprintln(os.Stdout, out.String())
	}
}
