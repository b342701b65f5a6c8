package consentpg

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/pg"
)

// renewAtOnce bounds how many records one renewal takes from the queue, and how many a sweep looks at.
const renewAtOnce = 200

// move moves the epochs of records, which are sorted, and says that their copies are to be looked at: what was acknowledged is in the
// feed whatever becomes of this node.
func (s *Store) move(ctx context.Context, tx *pg.Tx, now time.Time, records ...hie.SourcePatientID) error {
	var rows []string
	var args []any
	for i, r := range records {
		if err := epoch.Move(ctx, tx, r, now); err != nil {
			return err
		}
		rows = append(rows, "($"+strconv.Itoa(2*i+1)+", $"+strconv.Itoa(2*i+2)+")")
		args = append(args, int64(r), s.ids.Next())
	}
	if rows == nil {
		return nil
	}
	_, err := tx.Exec(ctx, `insert into consent.copy_due (sp_id, change_id) values `+strings.Join(rows, ", "), args...)
	return err
}

// CopiesDue reports whether copies are to be looked at, because something changed or because not all were looked through under the
// rules that by stands for; swept is false in the second case.
func (s *Store) CopiesDue(ctx context.Context, by []byte) (due, swept bool, err error) {
	err = s.db.QueryRow(ctx, `
		/* all shards: the queue of the change feed, mostly empty */
		select exists (select from consent.copy_due), (select reduced = $1 from consent.copy_feed where only_row)`, by).Scan(&due, &swept)
	if err != nil {
		return false, false, fmt.Errorf("consentpg: copies due: %w", err)
	}
	return due || !swept, swept, nil
}

// RenewCopies has f say what copies of the records say now about which something changed, and those of more, and writes what differs to
// the feed. f gets records, each once, and returns the state of each copy that may differ. by stands for the rules in force: where they
// are not those of the last time, all copies are looked through, a part at each call. One renewal runs at a time, on all nodes
// together: what f reads is never older than what is in the feed.
func (s *Store) RenewCopies(ctx context.Context, by []byte, more []hie.SourcePatientID, f func(ctx context.Context, records []hie.SourcePatientID) ([]consent.CopyState, error)) error {
	err := pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		var r renewal
		if err := tx.QueryRow(ctx, `select seq, reduced, sweeping, swept from consent.copy_feed where only_row for update`).
			Scan(&r.seq, &r.reduced, &r.sweeping, &r.swept); err != nil {
			return err
		}
		records := slices.Clone(more)
		var err error
		if r.due, err = pg.Collect(ctx, tx, scanPair, `
			/* all shards: the queue of the change feed */
			select sp_id, change_id from consent.copy_due order by change_id limit $1`, renewAtOnce); err != nil {
			return err
		}
		for _, d := range r.due {
			records = append(records, hie.SourcePatientID(d[0]))
		}
		swept, err := r.sweep(ctx, tx, by)
		if err != nil {
			return err
		}
		records = append(records, swept...)
		slices.Sort(records)
		states, err := f(ctx, slices.Compact(records))
		if err != nil {
			return err
		}
		return r.write(ctx, tx, states, s.now())
	})
	if err != nil {
		return fmt.Errorf("consentpg: renew copies: %w", err)
	}
	return nil
}

// SweepCopies has all copies looked through again.
func (s *Store) SweepCopies(ctx context.Context) error {
	if _, err := s.db.Exec(ctx, `update consent.copy_feed set reduced = '', sweeping = '', swept = 0 where only_row`); err != nil {
		return fmt.Errorf("consentpg: sweep copies: %w", err)
	}
	return nil
}

// A renewal is one step of the feed.
type renewal struct {
	seq, swept        int64
	reduced, sweeping []byte
	due               [][2]int64
}

func scanPair(rows *pg.Rows) (p [2]int64, err error) {
	err = rows.Scan(&p[0], &p[1])
	return p, err
}

// sweep returns the next records to be looked at since the rules are not those of the last time, none when they are.
func (r *renewal) sweep(ctx context.Context, tx *pg.Tx, by []byte) (out []hie.SourcePatientID, err error) {
	if bytes.Equal(r.reduced, by) {
		return nil, nil
	}
	if !bytes.Equal(r.sweeping, by) {
		r.sweeping, r.swept = by, 0
	}
	ids, err := pg.Collect(ctx, tx, func(rows *pg.Rows) (id int64, err error) { return id, rows.Scan(&id) }, `
		/* all shards: a look through all copies, after a change of rules */
		select sp_id from (
			(select distinct sp_id from consent.directive where sp_id > $1 order by sp_id limit $2)
			union (select distinct sp_id from consent.emergency_grant where sp_id > $1 order by sp_id limit $2)
			union (select distinct sp_id from consent.instrument where sp_id > $1 order by sp_id limit $2)
			union (select sp_id from consent.copy where sp_id > $1 order by sp_id limit $2)) q order by sp_id limit $2`, r.swept, renewAtOnce)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		out, r.swept = append(out, hie.SourcePatientID(id)), id
	}
	if len(ids) < renewAtOnce {
		r.reduced = by
	}
	return out, nil
}

// write puts what differs into the feed and takes away what was due.
func (r *renewal) write(ctx context.Context, tx *pg.Tx, states []consent.CopyState, now time.Time) error {
	was, err := digests(ctx, tx, states)
	if err != nil {
		return err
	}
	for _, st := range states {
		if old, known := was[st.Record]; bytes.Equal(old, st.Digest) && (known || st.Digest == nil) {
			continue // and of a patient nobody has any wish about there is no row
		}
		r.seq++
		if _, err := tx.Exec(ctx, `
			insert into consent.copy (sp_id, site, seq, at, digest) values ($1, $2, $3, $4, $5)
			on conflict (sp_id) do update set seq = excluded.seq, at = excluded.at, digest = excluded.digest, site = case when excluded.site = '' then copy.site else excluded.site end`,
			int64(st.Record), string(st.Site), r.seq, now, st.Digest); err != nil {
			return err
		}
	}
	var sps, changes []int64
	for _, d := range r.due {
		sps, changes = append(sps, d[0]), append(changes, d[1])
	}
	if sps != nil {
		if _, err := tx.Exec(ctx, `
			/* all shards: the queue of the change feed; one renewal runs at a time */
			delete from consent.copy_due where sp_id = any($1) and change_id = any($2)`, sps, changes); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `update consent.copy_feed set seq = $1, reduced = $2, sweeping = $3, swept = $4 where only_row`, r.seq, r.reduced, r.sweeping, r.swept)
	return err
}

// digests returns what the feed says of the records of states; one it says nothing of is missing.
func digests(ctx context.Context, tx *pg.Tx, states []consent.CopyState) (map[hie.SourcePatientID][]byte, error) {
	out := map[hie.SourcePatientID][]byte{}
	if len(states) == 0 {
		return out, nil
	}
	ids := make([]int64, len(states))
	for i, st := range states {
		ids[i] = int64(st.Record)
	}
	_, err := pg.Collect(ctx, tx, func(rows *pg.Rows) (struct{}, error) {
		var id int64
		var digest []byte
		err := rows.Scan(&id, &digest)
		out[hie.SourcePatientID(id)] = digest
		return struct{}{}, err
	}, `select sp_id, digest from consent.copy where sp_id = any($1)`, pg.Few(ids))
	return out, err
}

// CopyChanges returns at most limit notices about registrations of sites behind after, in the order of their numbers.
func (s *Store) CopyChanges(ctx context.Context, sites []hie.SiteID, after int64, limit int) ([]consent.CopyNotice, error) {
	names := make([]string, len(sites))
	for i, site := range sites {
		names[i] = string(site)
	}
	out, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (consent.CopyNotice, error) {
		var n consent.CopyNotice
		var record int64
		err := rows.Scan(&n.Number, &record, &n.At, &n.Digest)
		n.Record, n.At = hie.SourcePatientID(record), n.At.UTC()
		return n, err
	}, `
		/* all shards: the change feed of a site */
		select seq, sp_id, at, digest from consent.copy where site = any($1) and seq > $2 order by seq limit $3`, names, after, limit)
	if err != nil {
		return nil, fmt.Errorf("consentpg: copy changes: %w", err)
	}
	return out, nil
}

// Wished returns those of records about which anything is on file, or that the feed tells of.
func (s *Store) Wished(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]bool, error) {
	out := map[hie.SourcePatientID]bool{}
	_, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (struct{}, error) {
		var id int64
		err := rows.Scan(&id)
		out[hie.SourcePatientID(id)] = true
		return struct{}{}, err
	}, `
		select sp_id from consent.directive where sp_id = any($1) union select sp_id from consent.emergency_grant where sp_id = any($1)
		union select sp_id from consent.instrument where sp_id = any($1) union select sp_id from consent.copy where sp_id = any($1)`, numbers(records))
	if err != nil {
		return nil, fmt.Errorf("consentpg: wished: %w", err)
	}
	return out, nil
}
