package mpipg

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// flush writes what the load did: new rows by COPY, then the few changes to rows that were there.
func (d *desk) flush(ctx context.Context, a mpi.Ahead) error {
	for _, step := range []func(context.Context) error{d.flushClaims, d.flushPatients, d.flushKeys, d.flushPersons, d.flushMembers, d.flushEdges,
		d.flushEvents, d.flushNotices} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for _, f := range d.later {
		if err := f(ctx); err != nil {
			return err
		}
	}
	if err := d.insertTasks(ctx, d.opened[d.sealed:]); err != nil {
		return err
	}
	if err := d.record(ctx, a); err != nil {
		return err
	}
	return d.mark(ctx, a)
}

// flushClaims gives claims to the records that came of them, and takes back those nothing came of.
func (d *desk) flushClaims(ctx context.Context) error {
	for id, claimed := range d.mine {
		owner := d.owners[id]
		var err error
		switch {
		case d.patients[owner] == nil:
			_, err = d.q.Exec(ctx, `delete from mpi.identifier_key where claim = $1 and system = $2 and value = $3`, claimOf(id), id.System, id.Value)
		case owner != claimed:
			_, err = d.q.Exec(ctx, `update mpi.identifier_key set sp_id = $4 where claim = $1 and system = $2 and value = $3`,
				claimOf(id), id.System, id.Value, int64(owner))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *desk) flushPatients(ctx context.Context) error {
	records := d.newRecords()
	c, err := pg.CopyInto(ctx, d.tx, `copy mpi.source_patient (sp_id, person_id, alias_of, version, created, updated, birth, active, site, system,
		value, keys, body) from stdin`)
	if err != nil {
		return err
	}
	c.Rows(ctx, len(records), func(i int, row *pg.CopyRow) {
		p, h := d.patients[records[i]], d.homes[records[i]]
		body, err := packed(p)
		if err != nil {
			row.Fail(err)
		}
		row.Int(int64(records[i]))
		row.Int(int64(h.Person))
		row.Int(int64(h.AliasOf))
		row.Int(p.Version)
		row.Time(p.Created)
		row.Time(p.Updated)
		row.Int(int64(birthOf(p.Demographics.Birth)))
		row.Bool(p.Active)
		row.Text(string(p.Site))
		row.Text(p.Local.System)
		row.Text(p.Local.Value)
		row.Ints(p.Keys)
		row.Bytes(body)
	})
	if err := c.End(ctx); err != nil {
		return err
	}
	if c, err = pg.CopyInto(ctx, d.tx, `copy mpi.name_term (sp_id, term) from stdin`); err != nil {
		return err
	}
	for _, r := range records {
		for _, t := range d.terms[r] {
			c.Row(ctx, int64(r), t)
		}
	}
	return c.End(ctx)
}

func (d *desk) flushKeys(ctx context.Context) error {
	type row struct {
		key, record int64
		features    []byte
	}
	var rows []row
	for _, r := range d.newRecords() {
		for _, k := range d.patients[r].Keys {
			rows = append(rows, row{k, int64(r), d.features[r]})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.record, b.record)) }) // as the index lies
	c, err := pg.CopyInto(ctx, d.tx, `copy mpi.candidate_key (key, sp_id, live, features) from stdin`)
	if err != nil {
		return err
	}
	c.Rows(ctx, len(rows), func(i int, row *pg.CopyRow) {
		row.Int(rows[i].key)
		row.Int(rows[i].record)
		row.Bool(true)
		row.Bytes(rows[i].features)
	})
	if err := c.End(ctx); err != nil {
		return err
	}
	var claims []mpi.KeyClaim
	for k, n := range d.counts {
		if add := n - d.claimed[k]; add != 0 {
			claims = append(claims, mpi.KeyClaim{Key: k, Add: add})
		}
	}
	slices.SortFunc(claims, func(a, b mpi.KeyClaim) int { return cmp.Compare(a.Key, b.Key) })
	return inChunks(claims, func(part []mpi.KeyClaim) error { return d.writer.ClaimKeys(ctx, part) })
}

func (d *desk) flushPersons(ctx context.Context) error {
	c, err := pg.CopyInto(ctx, d.tx, `copy mpi.person (person_id, version, redirect) from stdin`)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(d.made)) {
		p := d.persons[id]
		c.Row(ctx, int64(id), p.Version, int64(p.Redirect))
	}
	if err := c.End(ctx); err != nil {
		return err
	}
	return d.writer.raise(ctx, slices.Sorted(maps.Keys(d.raised)), 1, d.now)
}

func (d *desk) flushMembers(ctx context.Context) error {
	keys := slices.SortedFunc(maps.Keys(d.moved), func(a, b memberKey) int {
		return cmp.Or(cmp.Compare(a.person, b.person), cmp.Compare(a.record, b.record))
	})
	c, err := pg.CopyInto(ctx, d.tx, `copy mpi.person_member (person_id, sp_id, link, site, system, value, features) from stdin`)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if m, there := d.members[k.person][k.record]; there && !d.stored[k] {
			c.Row(ctx, int64(m.Person), int64(m.Record), int64(m.Link), string(m.Site), m.Local.System, m.Local.Value, m.Features)
		}
	}
	if err := c.End(ctx); err != nil {
		return err
	}
	for _, k := range keys {
		m, there := d.members[k.person][k.record]
		switch {
		case !d.stored[k]:
		case there:
			err = d.writer.PutMember(ctx, m)
		default:
			err = d.writer.RemoveMember(ctx, k.person, k.record)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *desk) flushEdges(ctx context.Context) error {
	pairs := slices.SortedFunc(maps.Keys(d.putEdges), func(a, b pair) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	c, err := pg.CopyInto(ctx, d.tx, `copy mpi.match_edge (sp_id, other_id, bits) from stdin`)
	if err != nil {
		return err
	}
	var again, gone []mpi.EdgeRow
	for _, p := range pairs {
		bits, there := d.edges[p[0]][p[1]]
		switch stored := d.storedEdges[p] || d.storedEdges[pair{p[1], p[0]}]; {
		case there && !stored:
			c.Row(ctx, int64(p[0]), int64(p[1]), float64(bits))
			c.Row(ctx, int64(p[1]), int64(p[0]), float64(bits))
		case there:
			again = append(again, mpi.EdgeRow{A: p[0], B: p[1], Bits: bits})
		case stored:
			gone = append(gone, mpi.EdgeRow{A: p[0], B: p[1]})
		}
	}
	if err := c.End(ctx); err != nil {
		return err
	}
	if err := d.writer.PutEdges(ctx, again); err != nil {
		return err
	}
	return d.writer.RemoveEdges(ctx, gone)
}

func (d *desk) flushEvents(ctx context.Context) error {
	c, err := pg.CopyInto(ctx, d.tx, `copy mpi.link_event (`+eventColumns+`) from stdin`)
	if err != nil {
		return err
	}
	for _, e := range d.events {
		c.Row(ctx, eventArgs(e)...)
	}
	return c.End(ctx)
}

func (d *desk) flushNotices(ctx context.Context) error {
	if len(d.notices) == 0 {
		return nil
	}
	var xact string
	if err := d.q.QueryRow(ctx, `select pg_current_xact_id()::text`).Scan(&xact); err != nil {
		return err
	}
	c, err := pg.CopyInto(ctx, d.tx, `copy mpi.identity_change (xact, notice_id, at, kind, sp_id, person_id, former_id, change_id) from stdin`)
	if err != nil {
		return err
	}
	for _, n := range d.notices {
		c.Row(ctx, xact, n.ID(), n.At, string(n.Kind), int64(n.Record), int64(n.Person), int64(n.Former), int64(n.Change))
	}
	return c.End(ctx)
}

func (d *desk) insertTasks(ctx context.Context, ids []mpi.TaskID) error {
	tasks := make([]mpi.Task, 0, len(ids))
	for _, id := range ids {
		tasks = append(tasks, *d.tasks[id])
	}
	return inChunks(tasks, func(part []mpi.Task) error {
		_, err := d.writer.OpenTasks(ctx, part)
		return err
	})
}
