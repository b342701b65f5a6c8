// Package auditpg keeps the audit trail in PostgreSQL: events beside the changes they tell of, and over them a
// Merkle log whose signed checkpoints let anybody with the public key prove that no row was edited, removed,
// put in another order or taken back to an older copy.
//
// An event is committed by the transaction of its change (Append) or on its own (Log.Record). The one Sequencer
// then gives committed events their places in the tree and signs the new tree head. Verify needs nothing but
// the rows, the public key and, against a restored backup, a checkpoint kept elsewhere.
//
// Source: DESIGN idea 7; spec federation 3.4; RFC 6962 tree hashes through golang.org/x/mod/sumdb/tlog;
// C2SP signed-note and tlog-checkpoint.
package auditpg

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"golang.org/x/mod/sumdb/tlog"
)

// Append writes events in q's transaction: they are part of the change or nothing of it is. Outside a
// transaction use [Log.Record].
//
// It returns an error for an event whose id and time disagree, since searches by date go by id.
func Append(ctx context.Context, q pg.Querier, events ...audit.Event) error {
	rows, err := rowsOf(events)
	if err != nil {
		return err
	}
	return appendRows(ctx, q, rows)
}

func appendRows(ctx context.Context, q pg.Querier, rows []row) error {
	var touched []touch
	for _, r := range rows {
		touched = append(touched, r.touches()...)
	}
	if inline(rows) {
		return write(ctx, q, rows, touched)
	}
	for len(rows)+len(touched) > 0 {
		n, m := min(len(rows), maxPart), min(len(touched), maxPart)
		if err := writeMany(ctx, q, rows[:n], touched[:m]); err != nil {
			return err
		}
		rows, touched = rows[n:], touched[m:]
	}
	return nil
}

// saltSize is the length of each event's salt. With it gone, the body cannot be guessed from the leaf hash.
const saltSize = 32

// row is an event as its columns.
type row struct {
	id, kind, outcome, org, user string
	recorded                     time.Time
	records                      []hie.SourcePatientID
	salt, body                   []byte
	leaf                         tlog.Hash
}

// touch is one row of audit.event_record.
type touch struct {
	record hie.SourcePatientID
	event  string
}

func rowsOf(events []audit.Event) ([]row, error) {
	out := make([]row, len(events))
	for i, e := range events {
		r, err := rowOf(e)
		if err != nil {
			return nil, err
		}
		out[i] = r
	}
	return out, nil
}

func rowOf(e audit.Event) (row, error) {
	if err := checkID(e); err != nil {
		return row{}, err
	}
	e.Records = slices.Compact(slices.Sorted(slices.Values(e.Records)))
	r := row{
		id: e.ID, kind: string(e.Kind), outcome: string(e.Outcome), org: column(e.Actor.Organization), user: column(e.Actor.User),
		recorded: e.Time.UTC().Truncate(time.Microsecond), records: e.Records, salt: make([]byte, saltSize), body: Encode(e),
	}
	_, _ = rand.Read(r.salt) // never fails since Go 1.24
	r.leaf = leafHash(r.salt, r.body)
	return r, nil
}

// column returns s as a search column holds it: PostgreSQL's text takes neither what is no UTF-8 nor NUL.
func column[T ~string](s T) string { return strings.ReplaceAll(string(text(s)), "\x00", "\uFFFD") }

// leafHash is what the tree holds of an event: RFC 6962's leaf hash of salt then body.
func leafHash(salt, body []byte) tlog.Hash {
	return tlog.RecordHash(append(slices.Clip(slices.Clone(salt)), body...))
}

// checkID reports an id that is not a UUIDv7 of the event's own millisecond.
func checkID(e audit.Event) error {
	if isUUID(e.ID) && e.ID[14] == '7' {
		ms, err := strconv.ParseInt(e.ID[:8]+e.ID[9:13], 16, 64)
		if err == nil && ms == e.Time.UnixMilli() {
			return nil
		}
	}
	return fmt.Errorf("auditpg: an event's id must be a UUIDv7 of its time: make it with audit.NewEvent")
}

// isUUID reports whether s is a UUID in lower case, as NewEvent writes them.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range []byte(s) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (r == '-') || (!dash && (r < '0' || r > '9') && (r < 'a' || r > 'f')) {
			return false
		}
	}
	return true
}

func (r row) touches() []touch {
	out := make([]touch, len(r.records))
	for i, rec := range r.records {
		out[i] = touch{record: rec, event: r.id}
	}
	return out
}

const (
	// maxInline and maxInlineRecords are up to how many events, touching how many records together, are written by one
	// statement: what one request has to record. Each pair of numbers is a statement text of its own.
	maxInline, maxInlineRecords = 4, 12
	// maxPart bounds the rows of one statement, of each table.
	maxPart = 256
)

// single reports whether one statement writes rows, whichever.
func single(rows []row) bool { return len(rows) <= maxPart && touchesOf(rows) <= maxPart }

func touchesOf(rows []row) (n int) {
	for _, r := range rows {
		n += len(r.records)
	}
	return n
}

// inline reports whether rows are written by one statement, which needs no transaction around it.
func inline(rows []row) bool {
	return len(rows) <= maxInline && touchesOf(rows) <= maxInlineRecords
}

// write inserts rows and touches in one statement.
func write(ctx context.Context, q pg.Querier, rows []row, touches []touch) error {
	if len(rows) == 0 {
		return nil
	}
	args := make([]any, 0, 9*len(rows)+2*len(touches))
	for _, r := range rows {
		args = append(args, r.id, r.recorded, r.kind, r.outcome, r.org, r.user, r.salt, r.body, r.leaf[:])
	}
	for _, t := range touches {
		args = append(args, int64(t.record), t.event)
	}
	_, err := q.Exec(ctx, inlineTexts()[len(rows)][len(touches)], args...)
	return err
}

// inlineTexts holds what insertText builds for all numbers of events and records that are written so.
var inlineTexts = sync.OnceValue(func() *[maxInline + 1][maxInlineRecords + 1]string {
	var out [maxInline + 1][maxInlineRecords + 1]string
	for n := 1; n <= maxInline; n++ {
		for m := range out[n] {
			out[n][m] = insertText(n, m)
		}
	}
	return &out
})

// insertText builds the insert of n events, at least one, with their pending rows, and of m touched records.
func insertText(n, m int) string {
	var event, pending, record []string
	for i := range n {
		p := 9 * i
		event = append(event, fmt.Sprintf("($%d,$%d,$%d,$%d,$%d,$%d,$%d,$%d)", p+1, p+2, p+3, p+4, p+5, p+6, p+7, p+8))
		pending = append(pending, fmt.Sprintf("($%d::uuid,$%d::bytea)", p+1, p+9))
	}
	for i := range m {
		p := 9*n + 2*i
		record = append(record, fmt.Sprintf("($%d::bigint,$%d::uuid)", p+1, p+2))
	}
	text := `with e as (insert into audit.event (id, recorded, kind, outcome, org_id, user_id, salt, body) values ` + strings.Join(event, ",") + `)`
	waiting := ` insert into audit.pending (event_id, leaf) values ` + strings.Join(pending, ",")
	if m == 0 {
		return text + waiting
	}
	return text + `, p as (` + waiting + `) insert into audit.event_record (sp_id, event_id) values ` + strings.Join(record, ",")
}

// insertMany inserts any number of events with their pending rows and touched records: one text for all. The tables lie on
// one machine, where a list costs what VALUES cost.
const insertMany = `/* all shards: tables of one machine (group L) */
	with e as (insert into audit.event (id, recorded, kind, outcome, org_id, user_id, salt, body)
		select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::bytea[])),
	p as (insert into audit.pending (event_id, leaf) select * from unnest($1::uuid[], $9::bytea[]))
	insert into audit.event_record (sp_id, event_id) select * from unnest($10::bigint[], $11::uuid[])`

// writeMany inserts rows and touches in one statement.
func writeMany(ctx context.Context, q pg.Querier, rows []row, touches []touch) error {
	var texts [6][]string // the columns of audit.event that are text, and those sent so
	var blobs [3][][]byte
	for i := range texts {
		texts[i] = make([]string, len(rows))
	}
	for i := range blobs {
		blobs[i] = make([][]byte, len(rows))
	}
	for i := range rows {
		r := &rows[i]
		texts[0][i], texts[1][i] = r.id, r.recorded.Format(timeLayout)
		texts[2][i], texts[3][i], texts[4][i], texts[5][i] = r.kind, r.outcome, r.org, r.user
		blobs[0][i], blobs[1][i], blobs[2][i] = r.salt, r.body, r.leaf[:]
	}
	records, events := make([]int64, len(touches)), make([]string, len(touches))
	for i, t := range touches {
		records[i], events[i] = int64(t.record), t.event
	}
	_, err := q.Exec(ctx, insertMany, pg.Array(texts[0]), pg.Array(texts[1]), pg.Array(texts[2]), pg.Array(texts[3]), pg.Array(texts[4]), pg.Array(texts[5]),
		pg.Array(blobs[0]), pg.Array(blobs[1]), pg.Array(blobs[2]), pg.Array(records), pg.Array(events))
	return err
}
