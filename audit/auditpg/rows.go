package auditpg

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"golang.org/x/mod/sumdb/note"
)

// VerifyDB verifies the log in db as [Verify] does, in one read-only snapshot, and then what lies beside the tree:
// events smuggled in, pending ones that were edited, search rows that no event has.
func VerifyDB(ctx context.Context, db *pg.DB, v note.Verifier, trusted []Checkpoint, skew time.Duration) (report Report, err error) {
	err = snapshot(ctx, db, func(tx *pg.Tx) error {
		report, err = Verify(ctx, &rows{q: tx}, v, trusted, skew)
		return err
	})
	return report, err
}

// snapshot runs f in a read-only transaction that sees one moment.
func snapshot(ctx context.Context, db *pg.DB, f func(*pg.Tx) error) error {
	return pg.InTx(ctx, db, sql.LevelRepeatableRead, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, `set transaction read only`); err != nil {
			return err
		}
		return f(tx)
	})
}

// rows is the log in a database, as a Source. q must see one snapshot.
type rows struct {
	q pg.Querier
	// touched counts the records of all bodies read.
	touched int64
}

// chunk is how many rows are read at a time.
const chunk = 2000

// Read implements [Source].
func (s *rows) Read(ctx context.Context, row func(Entry) error, checkpoint func(int64, string) error) error {
	s.touched = 0
	lastSeq, lastSize := int64(math.MinInt64), int64(math.MinInt64)
	for {
		part, err := s.part(ctx, lastSeq)
		if err != nil {
			return err
		}
		upTo := int64(math.MaxInt64) // after the last row come the checkpoints of rows that are not there
		if len(part) > 0 {
			lastSeq = part[len(part)-1].Seq
			upTo = lastSeq + 1
		}
		notes, err := s.notes(ctx, lastSize, upTo)
		if err != nil {
			return err
		}
		for _, e := range part {
			if err := row(e); err != nil {
				return err
			}
			for ; len(notes) > 0 && notes[0].size <= e.Seq+1; notes = notes[1:] {
				if err := checkpoint(notes[0].size, notes[0].note); err != nil {
					return err
				}
			}
		}
		for _, n := range notes {
			if err := checkpoint(n.size, n.note); err != nil {
				return err
			}
		}
		if len(part) == 0 {
			return nil
		}
		lastSize = upTo
	}
}

// part reads up to chunk rows after seq.
func (s *rows) part(ctx context.Context, seq int64) ([]Entry, error) {
	part, err := pg.Collect(ctx, s.q, func(r *pg.Rows) (Entry, error) {
		e := Entry{Columns: &Columns{}}
		var recorded sql.NullTime
		var kind, outcome, org, user sql.NullString
		err := r.Scan(&e.Seq, &e.Event, &e.Hashes, &e.Lost, &e.Salt, &e.Body, &recorded, &kind, &outcome, &org, &user)
		e.Columns.Recorded, e.Columns.Kind, e.Columns.Outcome = recorded.Time.UTC(), kind.String, outcome.String
		e.Columns.Organization, e.Columns.User = org.String, user.String
		return e, err
	}, `
		select l.seq, l.event_id, l.hashes, e.id is null, e.salt, e.body, e.recorded, e.kind, e.outcome, e.org_id, e.user_id
		from audit.leaf l left join audit.event e on e.id = l.event_id
		where l.seq > $1 order by l.seq limit $2`, seq, chunk)
	if err != nil {
		return nil, err
	}
	var wantRecords []int64
	var wantEvents []string
	for _, e := range part {
		event, err := Decode(e.Body)
		if err != nil {
			continue // the verifier will say so
		}
		for _, r := range event.Records {
			wantRecords, wantEvents = append(wantRecords, int64(r)), append(wantEvents, e.Event)
		}
	}
	s.touched += int64(len(wantRecords))
	found := make(map[string][]hie.SourcePatientID, len(part))
	rs, err := s.q.Query(ctx, `
		select r.event_id, r.sp_id from unnest($1::bigint[], $2::uuid[]) as want (sp_id, event_id)
		join audit.event_record r on r.sp_id = want.sp_id and r.event_id = want.event_id`, wantRecords, wantEvents)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rs.Close() }()
	for rs.Next() {
		var event string
		var record int64
		if err := rs.Scan(&event, &record); err != nil {
			return nil, err
		}
		found[event] = append(found[event], hie.SourcePatientID(record))
	}
	for i := range part {
		part[i].Columns.Records = found[part[i].Event]
		slices.Sort(part[i].Columns.Records)
	}
	return part, rs.Err()
}

type stored struct {
	size int64
	note string
}

func (s *rows) notes(ctx context.Context, after, upTo int64) ([]stored, error) {
	return pg.Collect(ctx, s.q, func(r *pg.Rows) (stored, error) {
		var n stored
		err := r.Scan(&n.size, &n.note)
		return n, err
	}, `select size, note from audit.checkpoint where size > $1 and size <= $2 order by size`, after, upTo)
}

// Outside implements [Source].
func (s *rows) Outside(ctx context.Context) (*Finding, error) {
	loose, err := pg.Collect(ctx, s.q, scanText, `
		select e.id from audit.event e
		where not exists (select from audit.leaf l where l.event_id = e.id)
		and not exists (select from audit.pending p where p.event_id = e.id) order by e.id limit 1`)
	if err != nil {
		return nil, err
	}
	if len(loose) > 0 {
		return beside(loose[0], Smuggled, "an event that is neither in the tree nor waiting for its place"), nil
	}
	if f, err := s.pending(ctx); f != nil || err != nil {
		return f, err
	}
	var n int64
	if err := s.q.QueryRow(ctx, `select count(*) from audit.event_record`).Scan(&n); err != nil {
		return nil, err
	}
	if n == s.touched {
		return nil, nil
	}
	return s.extraRecord(ctx)
}

// beside makes a finding about something that has no row in the tree.
func beside(event string, fault Fault, says string) *Finding {
	return &Finding{Fault: fault, First: -1, Last: -1, Event: event, Says: says}
}

func scanText(r *pg.Rows) (string, error) {
	var s string
	err := r.Scan(&s)
	return s, err
}

// pending checks that events waiting for their place are as they were written.
func (s *rows) pending(ctx context.Context) (*Finding, error) {
	rs, err := s.q.Query(ctx, `
		select p.event_id, p.leaf, e.salt, e.body from audit.pending p left join audit.event e on e.id = p.event_id order by p.event_id`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rs.Close() }()
	for rs.Next() {
		var id string
		var leaf, salt, body []byte
		if err := rs.Scan(&id, &leaf, &salt, &body); err != nil {
			return nil, err
		}
		event, err := Decode(body)
		if h := leafHash(salt, body); err != nil || event.ID != id || !slices.Equal(leaf, h[:]) {
			return beside(id, Edited, "it was changed or removed while it waited for its place in the tree"), nil
		}
		s.touched += int64(len(event.Records))
	}
	return nil, rs.Err()
}

// extraRecord finds a search row whose event does not say so.
func (s *rows) extraRecord(ctx context.Context) (*Finding, error) {
	rs, err := s.q.Query(ctx, `
		select r.event_id, r.sp_id, e.body from audit.event_record r left join audit.event e on e.id = r.event_id order by r.event_id`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rs.Close() }()
	for rs.Next() {
		var id string
		var record int64
		var body []byte
		if err := rs.Scan(&id, &record, &body); err != nil {
			return nil, err
		}
		event, err := Decode(body)
		if err != nil || !slices.Contains(event.Records, hie.SourcePatientID(record)) {
			return beside(id, Smuggled, "searches by patient show it for a record it does not name"), nil
		}
	}
	if err := rs.Err(); err != nil {
		return nil, err
	}
	return beside("", Missing, "a pending event's search row is gone"), nil
}
