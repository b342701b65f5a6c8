package auditpg

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"golang.org/x/mod/sumdb/tlog"
)

// tampered returns a database of 20 rows with checkpoints at 5, 10, 15 and 20, and the one at 10 as an auditor
// would have kept it.
func tampered(t testing.TB) (*pg.DB, Checkpoint) {
	t.Helper()
	db := pgtest.DB(t)
	s := newSequencer(t, db, "")
	for range 4 {
		fill(t, db, 5)
		sequence(t, s)
	}
	return db, checkpoint(t, db, 10)
}

// rebuild makes the tree anew from what the rows say, as somebody would who can write everything but signatures.
func rebuild(t testing.TB, db *pg.DB) {
	t.Helper()
	ctx := context.Background()
	type leaf struct {
		seq        int64
		salt, body []byte
	}
	leaves, err := pg.Collect(ctx, db, func(r *pg.Rows) (l leaf, err error) {
		return l, r.Scan(&l.seq, &l.salt, &l.body)
	}, `select l.seq, e.salt, e.body from audit.leaf l join audit.event e on e.id = l.event_id order by l.seq`)
	if err != nil {
		t.Fatal(err)
	}
	var tr tree
	for _, l := range leaves {
		exec(t, db, `update audit.leaf set hashes = $2 where seq = $1`, l.seq, flat(tr.add(leafHash(l.salt, l.body))))
	}
}

const at = `(select event_id from audit.leaf where seq = %d)`

func TestVerifyNamesTheFirstBadRow(t *testing.T) {
	swapLeaves := func(a, b int) string {
		return fmt.Sprintf(`update audit.leaf set seq = case seq when %[1]d then -1 else -2 end where seq in (%[1]d, %[2]d);
			update audit.leaf set seq = case seq when -1 then %[2]d else %[1]d end where seq < 0`, a, b)
	}
	edit := `update audit.event set body = convert_to(replace(convert_from(body, 'UTF8'), 'org-1', 'org-2'), 'UTF8'), org_id = 'org-2' where id = ` + at
	for _, tt := range []struct {
		name    string
		sql     string
		rebuild bool
		fault   Fault
		first   int64
		last    int64
	}{
		{"a body is edited", fmt.Sprintf(edit, 7), false, Edited, 7, 7},
		{"a body and a later one are edited: the earlier is named", fmt.Sprintf(edit+`; `+edit, 16, 3), false, Edited, 3, 3},
		{"a salt is edited", fmt.Sprintf(`update audit.event set salt = decode(repeat('00', 32), 'hex') where id = `+at, 7), false, Edited, 7, 7},
		{"a stored leaf hash is edited", `update audit.leaf set hashes = overlay(hashes placing '\x00' from 1) where seq = 8`, false, Edited, 8, 8},
		{"a stored subtree hash is edited", `update audit.leaf set hashes = overlay(hashes placing '\x00' from 33) where seq = 9`, false, Reordered, 8, 9},
		{"an edited body and a tree rebuilt over it", fmt.Sprintf(edit, 12), true, Rewritten, 10, 14},
		{"a column that searches go by is edited", fmt.Sprintf(`update audit.event set outcome = 'refused' where id = `+at, 4), false, Edited, 4, 4},
		{"an event is hidden from a patient's history", fmt.Sprintf(`delete from audit.event_record where event_id = `+at, 6), false, Edited, 6, 6},
		{"an event is deleted", fmt.Sprintf(`delete from audit.event where id = `+at, 11), false, Missing, 11, 11},
		{"an event and its row are deleted", fmt.Sprintf(`delete from audit.event where id = `+at+`; delete from audit.leaf where seq = 11`, 11), false, Missing, 11, 11},
		{"a row is deleted and the rest moved up", `delete from audit.leaf where seq = 18; update audit.leaf set seq = 18 where seq = 19`, false, Reordered, 18, 18},
		{"a body is removed without a record of its shredding", fmt.Sprintf(`update audit.event set salt = null, body = null where id = `+at, 2), false, Missing, 2, 2},
		{"a removed body before an edited one: the earlier is named", fmt.Sprintf(`update audit.event set salt = null, body = null where id = `+at+`; `+edit, 2, 9), false, Missing, 2, 2},
		{"two rows trade places", swapLeaves(4, 7), false, Reordered, 4, 4},
		{"two rows with as many hashes trade places", swapLeaves(4, 6), false, Rewritten, 0, 4},
		{"two rows trade places and the tree is rebuilt", swapLeaves(11, 13), true, Rewritten, 10, 14},
		{"two bodies trade places", fmt.Sprintf(`update audit.event e set salt = o.salt, body = o.body from audit.event o
			where e.id in (`+at+`, `+at+`) and o.id in (`+at+`, `+at+`) and o.id <> e.id`, 3, 5, 3, 5), false, Reordered, 3, 3},
		{"the end is cut off", `delete from audit.leaf where seq >= 17`, false, Truncated, 17, 17},
		{"an older copy is restored", `delete from audit.event where id in (select event_id from audit.leaf where seq >= 5); delete from audit.leaf where seq >= 5;
			delete from audit.checkpoint where size > 5; delete from audit.event_record r where not exists (select from audit.event e where e.id = r.event_id)`, false, Truncated, 5, 5},
		{"two checkpoints are swapped", `update audit.checkpoint set size = case size when 5 then 115 else 5 end where size in (5, 15);
			update audit.checkpoint set size = 15 where size = 115`, false, Forged, 4, 4},
		{"a checkpoint is forged", `update audit.checkpoint set note = replace(note, 'concord', 'discord') where size = 15`, false, Forged, 14, 14},
		{"the last checkpoints are removed", `delete from audit.checkpoint where size > 10`, false, Unsigned, 10, 19},
		{"an event is smuggled in beside the tree", `insert into audit.event (id, recorded, kind, outcome, org_id, user_id, salt, body)
			select '01999999-0000-7000-8000-000000000000', recorded, kind, outcome, org_id, user_id, salt, body from audit.event limit 1`, false, Smuggled, -1, -1},
		{"a patient's history shows a strange event", fmt.Sprintf(`insert into audit.event_record (sp_id, event_id) values (4711, `+at+`)`, 6), false, Smuggled, -1, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, kept := tampered(t)
			exec(t, db, tt.sql)
			if tt.rebuild {
				rebuild(t, db)
			}
			r := verify(t, db, kept)
			if r.Bad == nil {
				t.Fatal("nothing was found")
			}
			if r.Bad.Fault != tt.fault || r.Bad.First != tt.first || r.Bad.Last != tt.last {
				t.Errorf("got %s of %d-%d (%s), want %s of %d-%d", r.Bad.Fault, r.Bad.First, r.Bad.Last, r.Bad.Says, tt.fault, tt.first, tt.last)
			}
		})
	}
}

func TestVerifyNamesAPendingEventThatWasEdited(t *testing.T) {
	db, _ := tampered(t)
	e := fill(t, db, 1)[0]
	exec(t, db, `update audit.event set body = convert_to(replace(convert_from(body, 'UTF8'), 'org-1', 'org-2'), 'UTF8') where id = $1`, e.ID)
	if r := verify(t, db); r.Bad == nil || r.Bad.Fault != Edited || r.Bad.Event != e.ID {
		t.Errorf("got %v, want the pending event", r.Bad)
	}
	// Once sequenced, it is its leaf, taken when it was written, that tells.
	sequence(t, newSequencer(t, db, ""))
	if r := verify(t, db); r.Bad == nil || r.Bad.Fault != Edited || r.Bad.First != 20 {
		t.Errorf("got %v, want row 20", r.Bad)
	}
}

func TestAForkSignedWithTheSameKeyIsFoundByAnOlderCheckpoint(t *testing.T) {
	db, kept := tampered(t)
	exec(t, db, `delete from audit.leaf where seq >= 5`)
	exec(t, db, `delete from audit.checkpoint where size > 5`)
	exec(t, db, `truncate audit.event_record`)
	exec(t, db, `delete from audit.event where id not in (select event_id from audit.leaf)`)
	exec(t, db, `insert into audit.event_record (sp_id, event_id) select (r#>>'{}')::bigint, e.id
		from audit.event e, jsonb_array_elements(convert_from(e.body, 'UTF8')::jsonb->'records') r`)
	fill(t, db, 12)
	sequence(t, newSequencer(t, db, ""))
	if r := verify(t, db); r.Bad != nil {
		t.Fatalf("a fork is consistent in itself: %v", r.Bad)
	}
	if r := verify(t, db, kept); r.Bad == nil || r.Bad.Fault != Rewritten || r.Bad.First != 5 || r.Bad.Last != 9 {
		t.Errorf("got %v, want one of rows 5 to 9", r.Bad)
	}
}

func TestAShreddedEventKeepsItsProofAndSaysNothing(t *testing.T) {
	ctx, v := context.Background(), testVerifier(t)
	db, kept := tampered(t)
	var id string
	if err := db.QueryRow(ctx, `select event_id from audit.leaf where seq = 7`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if err := Shred(ctx, db, hie.Actor{User: "officer"}, id, "retention", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := Shred(ctx, db, hie.Actor{}, id, "retention", time.Now()); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("shredded twice: %v", err)
	}
	sequence(t, newSequencer(t, db, ""))
	if r := verify(t, db, kept); r.Bad != nil || r.Shredded != 1 || r.Size != 21 {
		t.Errorf("got %+v, %v", r, r.Bad)
	}
	p, err := Prove(ctx, db, v, id, "")
	if err != nil || p.Body != nil || p.Check(v) != nil {
		t.Errorf("the proof of a shredded event: %v, %v", err, p.Check(v))
	}
	var buf bytes.Buffer
	if _, err := Export(ctx, db, &buf); err != nil {
		t.Fatal(err)
	}
	r, err := Verify(ctx, ReadExport(&buf), v, []Checkpoint{kept}, DefaultSkew)
	if err != nil || r.Bad != nil || r.Shredded != 1 {
		t.Errorf("its export: %v, %v", err, r.Bad)
	}
}

func TestTimesThatRunBackwardsAreNamed(t *testing.T) {
	db := pgtest.DB(t)
	for _, ago := range []time.Duration{0, time.Minute, 2 * time.Hour, 0} {
		e := audit.NewEvent(audit.Refused, hie.Actor{}, time.Now().Add(-ago))
		if err := New(db).Record(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		sequence(t, newSequencer(t, db, ""))
	}
	if r := verify(t, db); r.Bad != nil || r.Clock == nil || r.Clock.First != 2 {
		t.Errorf("got %v and %v, want the clock of row 2", r.Bad, r.Clock)
	}
}

func TestAnExportVerifiesWithoutTheDatabase(t *testing.T) {
	ctx, v := context.Background(), testVerifier(t)
	db, kept := tampered(t)
	var buf bytes.Buffer
	n, err := Export(ctx, db, &buf)
	if err != nil || n != 20 {
		t.Fatalf("%d rows, %v", n, err)
	}
	whole := strings.SplitAfter(strings.TrimSuffix(buf.String(), "\n"), "\n")
	if len(whole) != 24 {
		t.Fatalf("%d lines, want 20 rows and 4 checkpoints", len(whole))
	}
	join := func(parts ...[]string) string {
		var b strings.Builder
		for _, p := range parts {
			b.WriteString(strings.Join(p, ""))
		}
		return b.String()
	}
	for _, tt := range []struct {
		name  string
		lines string
		fault Fault
		first int64
		last  int64
	}{
		{"as exported", join(whole), "", 0, 0},
		{"a row edited", join(whole[:7], []string{strings.Replace(whole[7], "org-1", "org-9", 1)}, whole[8:]), Rewritten, 5, 9},
		{"a row deleted", join(whole[:7], whole[8:]), Missing, 6, 6},
		{"two rows swapped", join(whole[:7], []string{whole[8], whole[7]}, whole[9:]), Missing, 6, 6},
		{"the end cut off behind a checkpoint", join(whole[:6]), Truncated, 5, 5},
		{"rows cut off before their checkpoint", join(whole[:16], whole[23:]), Truncated, 14, 14},
		{"no checkpoints at all", join(whole[:5]), Truncated, 5, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Verify(ctx, ReadExport(strings.NewReader(tt.lines)), v, []Checkpoint{kept}, DefaultSkew)
			if err != nil {
				t.Fatal(err)
			}
			if tt.fault == "" {
				if r.Bad != nil || r.Size != 20 || r.Checkpoints != 4 || r.Trusted != 1 {
					t.Errorf("got %+v, %v", r, r.Bad)
				}
				return
			}
			if r.Bad == nil || r.Bad.Fault != tt.fault || r.Bad.First != tt.first || r.Bad.Last != tt.last {
				t.Errorf("got %v, want %s of %d-%d", r.Bad, tt.fault, tt.first, tt.last)
			}
		})
	}
	_, err = Verify(ctx, ReadExport(strings.NewReader(whole[0]+"{\"seq\":\"Zyxquill\"}\n")), v, nil, DefaultSkew)
	var inv *hie.InvalidError
	if !errors.As(err, &inv) || inv.Path != "line 2" {
		t.Errorf("a line that is none: %v, want an InvalidError at line 2", err)
	}
}

func TestAProofHoldsForItsEventAloneAndQuotesNothing(t *testing.T) {
	ctx, v := context.Background(), testVerifier(t)
	db, kept := tampered(t)
	var ids []string
	ids, err := pg.Collect(ctx, db, scanText, `select event_id from audit.leaf order by seq`)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		p, err := Prove(ctx, db, v, id, "")
		if err != nil {
			t.Fatal(err)
		}
		read, err := ReadProof(p.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if err := read.Check(v); err != nil {
			t.Errorf("row %d: %v", p.Seq, err)
		}
		for name, spoil := range map[string]func(*Proof){
			"body":       func(p *Proof) { p.Body = bytes.Replace(p.Body, []byte("org-1"), []byte("org-2"), 1) },
			"leaf":       func(p *Proof) { p.Leaf[0]++ },
			"path":       func(p *Proof) { p.Path = append([]tlog.Hash{{1}}, p.Path[1:]...) },
			"place":      func(p *Proof) { p.Seq ^= 1 },
			"event":      func(p *Proof) { p.Event = ids[(p.Seq+1)%20] },
			"checkpoint": func(p *Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "20\n", "21\n", 1) },
		} {
			q := p
			spoil(&q)
			if err := q.Check(v); err == nil {
				t.Errorf("row %d: a proof with another %s holds", p.Seq, name)
			} else if strings.Contains(err.Error(), "Zyxquill") {
				t.Errorf("the error quotes the body")
			}
		}
	}
	old, err := kept.sign(newSequencer(t, db, "").signer)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := Prove(ctx, db, v, ids[3], old); err != nil || p.Check(v) != nil {
		t.Errorf("against an older checkpoint: %v", err)
	}
	if _, err := Prove(ctx, db, v, ids[15], old); err == nil {
		t.Errorf("an event younger than the checkpoint was proved")
	}
	if _, err := Prove(ctx, db, v, "no-such-event", ""); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("an unknown event: %v", err)
	}
}

func TestBodiesAreCanonical(t *testing.T) {
	e := audit.NewEvent(audit.Disclosed, hie.Actor{Organization: "o", User: "<u>&", Purposes: []hie.Purpose{"TREAT"}, Patient: 1<<62 + 1}, time.UnixMicro(1767225600000000))
	e.ID = "019b76da-a800-7000-8000-000000000001"
	e.Detail = map[string]string{"z": "1", "a": "2"}
	e.Documents = []audit.Document{{Record: 5, Pointer: 1<<62 + 3}}
	want := `{"v":1,"id":"019b76da-a800-7000-8000-000000000001","time":"2026-01-01T00:00:00.000000Z","kind":"disclosed","outcome":"success",` +
		`"action":"E","org":"o","user":"<u>&","purposes":["TREAT"],"patient":"4611686018427387905","documents":[{"record":"5","pointer":"4611686018427387907"}],"detail":{"a":"2","z":"1"}}`
	if got := string(Encode(e)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, b := range map[string]string{
		"white space": strings.Replace(want, `,"time"`, `, "time"`, 1), "an unknown member": strings.Replace(want, `{"v":1`, `{"v":1,"x":1`, 1),
		"a member twice": strings.Replace(want, `"v":1,`, `"v":1,"v":1,`, 1), "another version": strings.Replace(want, `"v":1`, `"v":2`, 1),
		"an id as a number": strings.Replace(want, `"4611686018427387905"`, `4611686018427387905`, 1), "something behind it": want + `{}`,
		"nothing": ``,
	} {
		if _, err := Decode([]byte(b)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestWhateverSomebodySendsCanBeRecordedAndReadBack keeps hostile bytes from making the trail unreadable.
func TestWhateverSomebodySendsCanBeRecordedAndReadBack(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	log := New(db)
	for _, hostile := range []string{"\xff\xfe", "a\x00b", "\uFFFD", `\ufffd`, "\u2028<>&\"'\\", strings.Repeat("x", 1<<20), "\ud7ff\U0010ffff"} {
		e := audit.NewEvent(audit.SignInFailed, hie.Actor{Organization: hie.OrgID(hostile[:min(len(hostile), 64)]), User: hostile[:min(len(hostile), 64)],
			UserName: hostile, Roles: []string{hostile}, TokenID: hostile}, time.Now()).About(5)
		e.Query, e.Reasons, e.Detail = hostile, []string{hostile}, map[string]string{hostile: hostile}
		if err := log.Record(ctx, e); err != nil {
			t.Fatalf("%q...: %v", hostile[:2], err)
		}
		if _, err := log.Event(ctx, e.ID); err != nil {
			t.Errorf("%q... cannot be read back: %v", hostile[:2], err)
		}
		if found, _, err := log.Search(ctx, audit.Query{User: e.Actor.User, Limit: 9}); err != nil || len(found) == 0 {
			t.Errorf("%q... is not found by its user: %v", hostile[:2], err)
		}
	}
	sequence(t, newSequencer(t, db, ""))
	if r := verify(t, db); r.Bad != nil || r.Size != 7 {
		t.Errorf("%d rows, %v", r.Size, r.Bad)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("a\xff", "k", int64(3))
	f.Fuzz(func(t *testing.T, a, b string, n int64) {
		e := audit.NewEvent(audit.Kind(a), hie.Actor{User: b, Scopes: []string{a, b}}, time.Now())
		e.Query, e.Detail, e.Documents = a, map[string]string{a: b, b: a}, []audit.Document{{Record: hie.SourcePatientID(n), Class: b}}
		if _, err := Decode(Encode(e)); err != nil {
			t.Errorf("an event cannot be read back")
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(audit.NewEvent(audit.Refused, hie.Actor{User: "\xff\u2028"}, time.Now())))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := Decode(b); err == nil && !bytes.Equal(Encode(e), b) {
			t.Errorf("a body was read that Encode does not write")
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	_, key, _ := ed25519.GenerateKey(bytes.NewReader(make([]byte, 64)))
	s, err := NewSigner(key)
	if err != nil {
		f.Fatal(err)
	}
	v, err := s.(signer).verifier()
	if err != nil {
		f.Fatal(err)
	}
	signed, err := Checkpoint{Size: 3, Time: time.UnixMicro(0)}.sign(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Fuzz(func(t *testing.T, in string) {
		if c, err := OpenCheckpoint(in, v); err == nil && (c.Size != 3 || c.Root != tlog.Hash{}) {
			t.Errorf("a checkpoint was read that was never signed")
		}
		_, _ = ParseKey([]byte(in))
	})
}

func FuzzReadProof(f *testing.F) {
	v := testVerifier(f)
	f.Add(Proof{Event: "e", Path: []tlog.Hash{{1}}, Checkpoint: "x"}.Encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := ReadProof(in)
		if err != nil {
			return
		}
		if p.Check(v) == nil {
			t.Errorf("a proof holds without a signature")
		}
		if _, err := ReadProof(p.Encode()); err != nil {
			t.Errorf("a proof cannot be read again: %v", err)
		}
	})
}

func FuzzReadExport(f *testing.F) {
	v := testVerifier(f)
	e := audit.NewEvent(audit.Refused, hie.Actor{}, time.Now())
	b, err := json.Marshal(line{Seq: new(int64), Event: e.ID, Salt: make([]byte, 32), Body: Encode(e)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(b, '\n'))
	f.Add([]byte(`{"size":1,"checkpoint":"x"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := Verify(context.Background(), ReadExport(bytes.NewReader(in)), v, nil, DefaultSkew)
		if err == nil && r.Bad == nil && r.Size > 0 {
			t.Errorf("rows without a signature were accepted")
		}
		if err != nil && bytes.Contains(in, []byte("Zyxquill")) && strings.Contains(err.Error(), "Zyxquill") {
			t.Errorf("the error quotes the input")
		}
	})
}
