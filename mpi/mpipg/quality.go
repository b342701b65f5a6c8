package mpipg

import (
	"context"
	"database/sql"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// few is how many persons are counted and drawn from one by one; of more, pages are drawn, so that little is read.
const few = 40000

// SamplePersons implements mpi.Reader. Of many, how many there are is what the planner believes.
func (r reader) SamplePersons(ctx context.Context, n int) ([]hie.PersonID, int64, error) {
	about, err := r.number(ctx, `/* all shards: figures of quality */ select coalesce((select reltuples::bigint from pg_catalog.pg_class where oid = 'mpi.person'::regclass), 0)`)
	if err != nil {
		return nil, 0, err
	}
	percent := min(100, 150*float64(n)/float64(max(about, 1)))
	if about < few {
		percent = 100
		if about, err = r.number(ctx, `/* all shards: figures of quality */ select count(*) from mpi.person where redirect = 0`); err != nil {
			return nil, 0, err
		}
	}
	ids, err := pg.Collect(ctx, r.q, func(rows *pg.Rows) (hie.PersonID, error) {
		var id int64
		err := rows.Scan(&id)
		return hie.PersonID(id), err
	}, `/* all shards: figures of quality */ select person_id from (
			select person_id from mpi.person tablesample system ($1) where redirect = 0 order by person_id % 4099, person_id limit $2) p order by person_id`, percent, n)
	return ids, max(about, int64(len(ids))), err
}

func (r reader) number(ctx context.Context, text string, args ...any) (int64, error) {
	n, err := pg.Collect(ctx, r.q, func(rows *pg.Rows) (int64, error) {
		var n int64
		err := rows.Scan(&n)
		return n, err
	}, text, args...)
	if err != nil || len(n) == 0 {
		return 0, err
	}
	return n[0], nil
}

// Figures implements mpi.Reader.
func (r reader) Figures(ctx context.Context, since, now time.Time) (mpi.Figures, error) {
	var out mpi.Figures
	kinds := map[mpi.TaskKind]*mpi.TaskFigure{}
	at := func(kind string) *mpi.TaskFigure {
		f := kinds[mpi.TaskKind(kind)]
		if f == nil {
			f = &mpi.TaskFigure{Kind: mpi.TaskKind(kind)}
			kinds[f.Kind] = f
		}
		return f
	}
	if _, err := pg.Collect(ctx, r.q, func(rows *pg.Rows) (struct{}, error) {
		var kind string
		var open, claimed, snoozed, escalated int
		var oldest time.Time
		err := rows.Scan(&kind, &open, &claimed, &snoozed, &escalated, &oldest)
		f := at(kind)
		f.Open, f.Claimed, f.Snoozed, f.Escalated, f.Oldest = open, claimed, snoozed, escalated, utc(oldest)
		return struct{}{}, err
	}, `select kind, count(*), count(*) filter (where claimed_by <> '' and claimed_until > $1), count(*) filter (where snoozed_until > $1),
			count(escalated_at), min(opened) from mpi.review_task where closed is null group by kind`, now); err != nil {
		return out, err
	}
	if _, err := pg.Collect(ctx, r.q, func(rows *pg.Rows) (struct{}, error) {
		var kind string
		var n int
		err := rows.Scan(&kind, &n)
		at(kind).Opened = n
		return struct{}{}, err
	}, `select kind, count(*) from mpi.review_task where opened >= $1 group by kind`, since); err != nil {
		return out, err
	}
	if _, err := pg.Collect(ctx, r.q, func(rows *pg.Rows) (struct{}, error) {
		var kind string
		var closed, engine, same, different, clear, second, agreed int
		var age sql.NullFloat64
		err := rows.Scan(&kind, &closed, &engine, &same, &different, &clear, &second, &agreed, &age)
		f := at(kind)
		f.Closed, f.ByEngine, f.Same, f.Different, f.CannotTell = closed, engine, same, different, clear
		f.MedianAge = time.Duration(age.Float64 * float64(time.Second)).Truncate(time.Second)
		out.Reviews.Second, out.Reviews.Agreed = out.Reviews.Second+second, out.Reviews.Agreed+agreed
		return struct{}{}, err
	}, `select kind, count(*), count(*) filter (where decided_by = 'engine'), count(*) filter (where verdict = 1), count(*) filter (where verdict = 2),
			count(*) filter (where verdict = 0 and decided_by <> 'engine'), count(*) filter (where first_by <> ''),
			count(*) filter (where first_by <> '' and differed = 0),
			percentile_disc(0.5) within group (order by extract(epoch from (closed - opened))::float8) filter (where decided_by <> 'engine')
		from mpi.review_task where closed >= $1 and not withdrawn group by kind`, since); err != nil {
		return out, err
	}
	for _, f := range kinds {
		out.Tasks = append(out.Tasks, *f)
	}
	var err error
	if out.Days, err = pg.Collect(ctx, r.q, func(rows *pg.Rows) (f mpi.DayFigure, err error) {
		err = rows.Scan(&f.Day, &f.Opened, &f.Decided, &f.ByEngine)
		f.Day = utc(f.Day)
		return f, err
	}, `select day, sum(opened), sum(decided), sum(engine) from (
			select date_trunc('day', opened, 'UTC') as day, 1 as opened, 0 as decided, 0 as engine from mpi.review_task where opened >= $1
			union all select date_trunc('day', closed, 'UTC'), 0, (decided_by <> 'engine')::int, (decided_by = 'engine')::int from mpi.review_task where closed >= $1 and not withdrawn
		) x group by day order by day`, since); err != nil {
		return out, err
	}
	work, err := pg.Collect(ctx, r.q, func(rows *pg.Rows) (w [2]int, err error) { return w, rows.Scan(&w[0], &w[1]) },
		`select count(*), count(distinct (decided_by, date_trunc('hour', closed, 'UTC'))) from mpi.review_task where closed >= $1 and decided_by <> 'engine' and not withdrawn`, since)
	if err != nil {
		return out, err
	}
	out.Reviews.Decided, out.Reviews.Hours = work[0][0], work[0][1]
	if out.Overlays, err = pg.Collect(ctx, r.q, func(rows *pg.Rows) (hie.SourcePatientID, error) {
		var id int64
		err := rows.Scan(&id)
		return hie.SourcePatientID(id), err
	}, `select sp_id from mpi.review_task where opened >= $1 and kind = 'overlay' order by opened desc limit 1000`, since); err != nil {
		return out, err
	}
	return out, r.reversals(ctx, since, &out.Reviews)
}

// reversals counts what people changed and took back since.
func (r reader) reversals(ctx context.Context, since time.Time, out *mpi.ReviewFigures) error {
	changes, err := r.number(ctx, `/* all shards: figures of quality */ select count(distinct change_id) from mpi.link_event
		where cause = 'steward' and at >= $1`, since)
	if err != nil {
		return err
	}
	out.Changes = int(changes)
	undone, err := pg.Collect(ctx, r.q, func(rows *pg.Rows) (int64, error) {
		var id int64
		err := rows.Scan(&id)
		return id, err
	}, `/* all shards: figures of quality */ select distinct undoes from mpi.link_event where cause = 'undo' and at >= $1 and undoes is not null limit 10000`, since)
	if err != nil || len(undone) == 0 {
		return err
	}
	byEngine, err := r.number(ctx, `/* all shards: figures of quality */ select count(distinct change_id) from mpi.link_event
		where change_id = any($1) and cause in ('rule', 'site')`, undone)
	out.UndoneEngine, out.UndonePeople = int(byEngine), len(undone)-int(byEngine)
	return err
}
