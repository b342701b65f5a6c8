package mpipg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// errMark means that another load of the same feed has moved its mark.
var errMark = fmt.Errorf("mpipg: another load of this file is running: %w", hie.ErrConflict)

// A Fed is how far a file has been loaded.
type Fed struct{ Line, Created, Revised, Repeated, Rejected int64 }

// Fed returns how far feed has come; the zero Fed for one that never began.
func (s *Store) Fed(ctx context.Context, feed string) (Fed, error) {
	var f Fed
	err := s.db.QueryRow(ctx, `select line, created, revised, repeated, rejected from mpi.feed where feed = $1`, feed).
		Scan(&f.Line, &f.Created, &f.Revised, &f.Repeated, &f.Rejected)
	if errors.Is(err, hie.ErrNotFound) {
		return Fed{}, nil
	}
	return f, err
}

// Load implements mpi.Bulk. Claims, keys and the persons it may touch are locked first, each in order, then everything
// it needs is read in a few statements; new rows go in through COPY.
func (s *Store) Load(ctx context.Context, a mpi.Ahead, f func(mpi.Workbench) error) error {
	return s.loadWith(ctx, nil, a, f)
}

// loadWith is Load beside what the load has in stock; nil for nothing.
func (s *Store) loadWith(ctx context.Context, have *stock, a mpi.Ahead, f func(mpi.Workbench) error) error {
	d, xact, err := s.load(ctx, have, a, f, false)
	if pg.IsUnique(err) { // somebody else began to count a key that was new
		d, xact, err = s.load(ctx, have, a, f, true)
	}
	if err == nil && have != nil {
		have.add(d, xact, a.Hub)
	}
	return err
}

// load is one try. known is set when no key is to be taken for new.
func (s *Store) load(ctx context.Context, have *stock, a mpi.Ahead, f func(mpi.Workbench) error, known bool) (d *desk, xact string, err error) {
	// The driver would roll back while a COPY still reads from the connection if the transaction's own context ended
	// under it, so that one does not end; the steps look at ctx themselves.
	err = pg.InCopyTx(context.WithoutCancel(ctx), s.db, func(tx *pg.Tx) error {
		d = newDesk(&writer{reader{tx}, tx, s.audit, nil})
		d.stock, d.countsThere = have, known
		if err := tx.QueryRow(ctx, `select pg_current_xact_id()::xid::text`).Scan(&xact); err != nil {
			return err
		}
		if err := d.readAhead(ctx, a); err != nil {
			return err
		}
		if err := f(d); err != nil {
			return err
		}
		if err := d.flush(ctx, a); err != nil {
			return err
		}
		return pg.Clean(ctx, ctx.Err())
	})
	return d, xact, err
}

// chunk is how many rows one statement takes; what is left over goes in powers of two, so that few texts are prepared.
const chunk = 512

// inChunks calls f with parts of list.
func inChunks[T any](list []T, f func([]T) error) error {
	for len(list) > 0 {
		n := chunk
		for n > len(list) {
			n /= 2
		}
		if err := f(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// maxHops bounds how far the neighbourhoods of a load are read ahead; what lies beyond is read when it is needed.
const maxHops = 6

func (d *desk) readAhead(ctx context.Context, a mpi.Ahead) error {
	if err := d.takeClaims(ctx, a); err != nil {
		return err
	}
	var keys []int64
	for _, k := range a.Keys {
		keys = append(keys, k...)
	}
	slices.Sort(keys)
	if err := d.takeKeys(ctx, keys, a.Hub); err != nil {
		return err
	}
	keys = slices.DeleteFunc(slices.Compact(keys), func(k int64) bool {
		if n := d.counts[k]; n == 0 || n > a.Hub {
			d.byKey[k] = nil // nobody's, or not looked under
			return true
		}
		return false
	})
	if _, err := d.Candidates(ctx, keys); err != nil {
		return err
	}
	var near []hie.SourcePatientID
	if a.Near != nil {
		var err error
		if near, err = a.Near(ctx, d); err != nil {
			return err
		}
	}
	for _, owner := range d.owners {
		if !d.fresh[owner] {
			near = append(near, owner) // a revision
		}
	}
	if _, err := d.Patients(ctx, slices.DeleteFunc(slices.Collect(maps.Values(d.owners)), func(r hie.SourcePatientID) bool { return d.fresh[r] })); err != nil {
		return err
	}
	var known []hie.SourcePatientID
	frontier := near
	for hop := 0; hop < maxHops && len(frontier) > 0; hop++ {
		var err error
		if frontier, err = d.hop(ctx, frontier, &known); err != nil {
			return err
		}
	}
	if _, err := d.Constraints(ctx, known); err != nil {
		return err
	}
	_, err := d.TasksAbout(ctx, known)
	return err
}

// hop locks and reads the persons of frontier, adds their records to known and returns those their edges lead to.
func (d *desk) hop(ctx context.Context, frontier []hie.SourcePatientID, known *[]hie.SourcePatientID) ([]hie.SourcePatientID, error) {
	homes, err := d.Homes(ctx, frontier)
	if err != nil {
		return nil, err
	}
	var persons []hie.PersonID
	for _, h := range homes {
		persons = append(persons, h.Person)
	}
	persons = unknown(persons, d.locked)
	if err := d.Lock(ctx, persons); err != nil {
		return nil, err
	}
	var next []hie.SourcePatientID
	if len(persons) > 0 { // who moved before their person was locked is looked for again
		for _, r := range frontier {
			delete(d.homes, r)
		}
		if homes, err = d.Homes(ctx, frontier); err != nil {
			return nil, err
		}
		for r, h := range homes {
			if !d.locked[h.Person] {
				delete(d.homes, r)
				next = append(next, r)
			}
		}
	}
	if _, err := d.Persons(ctx, persons); err != nil {
		return nil, err
	}
	rows, err := d.Members(ctx, persons)
	if err != nil {
		return nil, err
	}
	var records []hie.SourcePatientID
	for _, m := range rows {
		records = append(records, m.Record)
	}
	if _, err := d.Homes(ctx, records); err != nil {
		return nil, err
	}
	*known = append(*known, records...)
	edges, err := d.Edges(ctx, records)
	if err != nil {
		return nil, err
	}
	for _, e := range edges {
		next = append(next, e.B)
	}
	return unknown(next, d.homes), nil
}

var claimIdentifiers = newTexts(func(n int) string {
	return `insert into mpi.identifier_key (claim, system, value, sp_id) values ` + values(n, 4) + `
		on conflict (claim, system, value) do update set sp_id = identifier_key.sp_id returning system, value, sp_id`
})

// takeClaims claims the identifiers of a, in order, and learns whose they are.
func (d *desk) takeClaims(ctx context.Context, a mpi.Ahead) error {
	order := make([]int, len(a.Locals))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		x, y := a.Locals[i], a.Locals[j]
		return cmp.Or(cmp.Compare(claimOf(x), claimOf(y)), cmp.Compare(x.System, y.System), cmp.Compare(x.Value, y.Value))
	})
	err := inChunks(order, func(part []int) error {
		args := make([]any, 0, 4*len(part))
		for _, i := range part {
			args = append(args, claimOf(a.Locals[i]), a.Locals[i].System, a.Locals[i].Value, int64(a.Records[i]))
		}
		rows, err := d.q.Query(ctx, claimIdentifiers.of(len(part)), args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id hie.Identifier
			var sp int64
			if err := rows.Scan(&id.System, &id.Value, &sp); err != nil {
				return err
			}
			d.owners[id] = hie.SourcePatientID(sp)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for i, id := range a.Locals {
		if d.owners[id] == a.Records[i] {
			d.mine[id] = a.Records[i]
			d.begin(a.Records[i])
		}
	}
	return nil
}

var claimCounts = newTexts(func(n int) string {
	return `insert into mpi.key_claim (key, n) values ` + values(n, 2) + `
		on conflict (key) do update set n = greatest(0, key_claim.n + excluded.n) returning key, n`
})

// takeKeys locks the counts of keys, which are sorted and come once for each record, adding what the load is about to
// add. Those above hub are left alone, as a registration does.
func (d *desk) takeKeys(ctx context.Context, keys []int64, hub int64) error {
	add := map[int64]int64{}
	for _, k := range keys {
		add[k]++
	}
	once, err := d.takeStocked(ctx, slices.Compact(slices.Clone(keys)), add)
	if err != nil {
		return err
	}
	there, err := d.writer.KeyCounts(ctx, once)
	if err != nil {
		return err
	}
	for _, k := range once {
		d.counts[k], d.claimed[k] = there[k], there[k]
	}
	if !d.countsThere {
		if once, err = d.countNew(ctx, once, there, add); err != nil {
			return err
		}
	}
	once = slices.DeleteFunc(once, func(k int64) bool { return d.counts[k] > hub })
	return inChunks(once, func(part []int64) error {
		args := make([]any, 0, 2*len(part))
		for _, k := range part {
			args = append(args, k, add[k])
		}
		rows, err := d.q.Query(ctx, claimCounts.of(len(part)), args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var key, n int64
			if err := rows.Scan(&key, &n); err != nil {
				return err
			}
			d.counts[key], d.claimed[key] = n-add[key], n
		}
		return rows.Err()
	})
}

// fewNew is how many new keys are worth a COPY.
const fewNew = 64

// countNew copies the counts of keys nobody has and returns the other ones. A registration that meets one of these waits, as it
// does at any row that is locked; one that met it before gives a unique violation, when the load begins again and copies none.
func (d *desk) countNew(ctx context.Context, keys []int64, there, add map[int64]int64) (others []int64, err error) {
	var fresh []int64
	for _, k := range keys {
		if _, in := there[k]; in {
			others = append(others, k)
		} else {
			fresh = append(fresh, k)
		}
	}
	if len(fresh) < fewNew {
		return keys, nil
	}
	c, err := pg.CopyInto(ctx, d.tx, `copy mpi.key_claim (key, n) from stdin`)
	if err != nil {
		return nil, err
	}
	for _, k := range fresh {
		c.Row(ctx, k, add[k])
		d.claimed[k], d.first[k] = add[k], true
		delete(d.altered, k)
	}
	return others, c.End(ctx)
}

// mark moves the feed's mark.
func (d *desk) mark(ctx context.Context, a mpi.Ahead) error {
	if a.Mark == nil {
		return nil
	}
	return MoveMark(ctx, d.tx, *a.Mark, a.Event.Time)
}

// MoveMark moves a feed's mark within a transaction, at now. Whoever stores the lines of a file in a transaction of its own moves
// it there. hie.ErrConflict means that somebody else moved it.
func MoveMark(ctx context.Context, tx *pg.Tx, m mpi.Mark, now time.Time) error {
	n, err := tx.Exec(ctx, `
		insert into mpi.feed as f (feed, line, created, revised, repeated, rejected, updated) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (feed) do update set line = excluded.line, created = f.created + excluded.created, revised = f.revised + excluded.revised,
			repeated = f.repeated + excluded.repeated, rejected = f.rejected + excluded.rejected, updated = excluded.updated
		where f.line = $8`, m.Feed, m.Upto, m.Created, m.Revised, m.Repeated, m.Rejected, now, m.From)
	if err == nil && n != 1 {
		err = errMark
	}
	return err
}

// record appends the load's audit event.
func (d *desk) record(ctx context.Context, a mpi.Ahead) error {
	if len(d.records) == 0 {
		return nil
	}
	e := a.Event.About(slices.Collect(maps.Keys(d.records))...)
	e.Detail = map[string]string{"interaction": "import", "records": strconv.Itoa(len(d.newRecords()))}
	if a.Mark != nil {
		e.Detail["feed"], e.Detail["upto"] = a.Mark.Feed, strconv.FormatInt(a.Mark.Upto, 10)
	}
	return d.audit(ctx, d.tx, e)
}
