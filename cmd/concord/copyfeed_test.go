package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// A feedWorld is an index, wishes and the feed of their changes on one database, with registrations of one person at each of three
// sites, as far as they are known to be one.
type feedWorld struct {
	t        *testing.T
	ctx      context.Context
	db       *pg.DB
	patients *mpi.Index
	consents *consentpg.Store
	env      atomic.Pointer[consent.Env]
	copies   *federation.Copies
	records  map[hie.SiteID][]hie.SourcePatientID
}

var feedClerk = hie.Actor{Organization: "north", Client: "north-emr", User: "clerk"}

func newFeedWorld(t *testing.T) *feedWorld {
	w := &feedWorld{t: t, ctx: t.Context(), db: pgtest.DB(t), records: map[hie.SiteID][]hie.SourcePatientID{}}
	ids := hie.NewIDs(nil)
	w.patients = mpi.New(mpipg.New(w.db, auditpg.Append), ids, auditpg.New(w.db), mpi.Options{})
	w.consents = consentpg.New(w.db, ids, auditpg.Append, hie.Now)
	w.rules(true)
	w.copies = w.reader()
	return w
}

// reader is the feed as another node has it.
func (w *feedWorld) reader() *federation.Copies {
	return &federation.Copies{Patients: w.patients, Directives: w.consents.Load, Feed: w.consents, Env: w.env.Load, Now: hie.Now,
		Epochs: func(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error) {
			return epoch.Read(ctx, w.db, records)
		},
		Own: func(hie.SourcePatientID, string) bool { return true }}
}

// rules puts rules into force: with or without the policy that some wishes are under, without which they are held.
func (w *feedWorld) rules(known bool) {
	s := consent.Setup{Organizations: []consent.Organization{{ID: "north"}, {ID: "south"}, {ID: "harbor"}}, EmergencyHours: 4, Policies: consent.BuiltinPolicies(),
		Sites: []consent.Site{{ID: "north", Org: "north", Regimes: []string{}}, {ID: "south", Org: "south", Regimes: []string{}}, {ID: "harbor", Org: "harbor", Regimes: []string{"part2"}}}}
	if known {
		s.Policies = append(s.Policies, consent.Policy{URI: "urn:local", Additive: true})
	}
	env, err := consent.NewEnv(s)
	if err != nil {
		w.t.Fatal(err)
	}
	w.env.Store(env)
}

// register adds a registration of one more person like no other.
func (w *feedWorld) register(site hie.SiteID, name string) hie.SourcePatientID {
	w.t.Helper()
	r, err := w.patients.Register(w.ctx, feedClerk, mpi.Registration{Site: site, Local: hie.Identifier{System: "urn:" + string(site), Value: name},
		Demographics: mpi.Demographics{Names: []mpi.Name{{Family: "Family" + name, Given: []string{"Given" + name}}}, Birth: mpi.Date{Year: 1950 + len(w.records[site]), Month: 1 + len(name)%12, Day: 3}, Sex: "female"}, Received: []byte(name), Active: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.records[site] = append(w.records[site], r.Record)
	return r.Record
}

// says is a Consent of one kind.
func says(kind, policy, more string) []byte {
	return []byte(fmt.Sprintf(`{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"policy":[{"uri":%q}],"provision":{"type":%q%s}}`, policy, kind, more))
}

func (w *feedWorld) file(record hie.SourcePatientID, v consent.Version, expected int64) consent.Version {
	w.t.Helper()
	v.Record, v.By, v.Verified = record, "north", true
	if v.Status == "" {
		v.Status = "active"
	}
	out, err := w.consents.File(w.ctx, feedClerk, v, expected)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// A holder is a site that keeps copies of what binds its registrations, by nothing but the feed.
type holder struct {
	copies *federation.Copies
	site   hie.SiteID
	after  int64
	held   map[hie.SourcePatientID][]byte
}

// follow replays the feed to its end, page by page.
func (h *holder) follow(ctx context.Context, page int) error {
	for {
		notices, pending, err := h.copies.Changes(ctx, []hie.SiteID{h.site}, h.after, page)
		if err != nil {
			return err
		}
		for _, n := range notices {
			if n.Number <= h.after {
				return fmt.Errorf("notice %d comes behind %d", n.Number, h.after)
			}
			h.after = n.Number
			delete(h.held, n.Record)
			if n.Digest == nil {
				continue
			}
			c, err := h.copies.Copy(ctx, n.Record)
			if errors.Is(err, hie.ErrNotFound) {
				continue // gone since: a later notice says so
			}
			if err != nil {
				return err
			}
			if c.Site != h.site {
				return fmt.Errorf("%s was told of a registration of %s", h.site, c.Site)
			}
			if d := c.Digest(); c.Binds() {
				h.held[n.Record] = d[:]
			}
		}
		if len(notices) == 0 && !pending {
			return nil
		}
	}
}

// TestWhoReplaysTheFeedHoldsWhatAFreshSnapshotGives plays random stories of wishes filed and revoked, links made, undone and disputed,
// registrations merged and policies coming into force, with sites that follow now and then: each ends with the copies that a
// site beginning anew would have, and these are what binds each of its registrations.
//
// Source: spec consent 2.13, 2.19.
func TestWhoReplaysTheFeedHoldsWhatAFreshSnapshotGives(t *testing.T) {
	told, bound, linked := 0, 0, 0
	for seed := range uint64(6) {
		w, g := newFeedWorld(t), rand.New(rand.NewPCG(seed, 219))
		sites := []hie.SiteID{"north", "south", "harbor"}
		for i := range 3 {
			for _, s := range sites {
				w.register(s, fmt.Sprintf("%c%d", 'a'+i, g.IntN(1000)))
			}
		}
		var holders []*holder
		for _, s := range sites {
			holders = append(holders, &holder{w.reader(), s, 0, map[hie.SourcePatientID][]byte{}})
		}
		any := func() hie.SourcePatientID { s := sites[g.IntN(3)]; return w.records[s][g.IntN(len(w.records[s]))] }
		var filed []consent.Version
		var changes []mpi.ChangeID
		for step := range 40 {
			what := g.IntN(12)
			if step > 24 { // towards the end links alone, so that no wish hides what was missed of them
				what = 6 + g.IntN(4)
			}
			switch what {
			case 0, 1, 2, 3:
				v := consent.Version{NetworkWide: g.IntN(3) > 0, Content: says([]string{"permit", "deny"}[g.IntN(2)], []string{"urn:local", consent.PolicyPart2, consent.PolicyHidden}[g.IntN(3)],
					[]string{"", "", `,"actor":[{"role":{"coding":[{"code":"CST"}]},"reference":{"reference":"Organization/harbor"}}]`, `,"period":{"end":"2126-01-01"}`}[g.IntN(4)])}
				filed = append(filed, w.file(any(), v, 0))
			case 4, 5:
				if len(filed) > 0 {
					i := g.IntN(len(filed))
					v := filed[i]
					v.Status = []string{"inactive", "active", "entered-in-error"}[g.IntN(3)]
					filed[i] = w.file(v.Record, v, v.Number)
				}
			case 6, 7, 8:
				a, b := any(), any()
				done, err := w.patients.Decide(w.ctx, feedClerk, a, b, []mpi.Verdict{mpi.MustLink, mpi.MustLink, mpi.CannotLink}[g.IntN(3)], "story")
				if err == nil && done.Change != 0 {
					changes, linked = append(changes, done.Change), linked+1
				}
			case 9:
				if len(changes) > 0 {
					if _, err := w.patients.Undo(w.ctx, feedClerk, changes[g.IntN(len(changes))], "story"); err != nil && !errors.Is(err, hie.ErrConflict) && !errors.Is(err, hie.ErrNotFound) {
						t.Logf("seed %d: not undone: %v", seed, err)
					}
				}
			case 10:
				if seed%3 == 0 { // a change of rules has everything looked through, which would hide what is missed
					w.rules(g.IntN(2) == 0)
				}
			case 11:
				s := sites[g.IntN(3)]
				if rs := w.records[s]; len(rs) > 1 {
					a, errA := w.patients.Record(w.ctx, rs[0])
					b, errB := w.patients.Record(w.ctx, rs[len(rs)-1])
					if errA == nil && errB == nil {
						_, err := w.patients.MergeInSite(w.ctx, feedClerk, s, a.Local, b.Local)
						if err != nil {
							t.Logf("seed %d: not merged: %v", seed, err)
						}
					}
				}
			}
			if g.IntN(3) == 0 {
				if err := holders[g.IntN(3)].follow(w.ctx, 1+g.IntN(4)); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		}
		for _, h := range holders {
			if err := h.follow(w.ctx, 2); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			fresh := &holder{w.reader(), h.site, 0, map[hie.SourcePatientID][]byte{}}
			if err := fresh.follow(w.ctx, 100); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			truth := map[hie.SourcePatientID][]byte{}
			for _, r := range w.records[h.site] {
				c, err := w.copies.Copy(w.ctx, r)
				if err == nil && c.Binds() {
					d := c.Digest()
					truth[r] = d[:]
				} else if err != nil && !errors.Is(err, hie.ErrNotFound) {
					t.Fatal(err)
				}
			}
			told, bound = told+int(h.after), bound+len(truth)
			for name, got := range map[string]map[hie.SourcePatientID][]byte{"who followed": h.held, "who begins anew": fresh.held} {
				for r := range truth {
					if !bytes.Equal(got[r], truth[r]) {
						t.Errorf("seed %d: %s at %s holds %d bytes of a copy that has changed since", seed, name, h.site, len(got[r]))
					}
				}
				if len(got) != len(truth) {
					t.Errorf("seed %d: %s at %s holds %d copies, want %d", seed, name, h.site, len(got), len(truth))
				}
			}
		}
	}
	t.Logf("%d notices, %d registrations bound in the end, %d changes of links", told, bound, linked)
	if told < 100 || bound < 10 {
		t.Error("too little happened")
	}
}

// TestASiteIsToldOnlyWhatItMustDoOtherwise: one man, known at the hospital and at a Part 2 program.
func TestASiteIsToldOnlyWhatItMustDoOtherwise(t *testing.T) {
	w := newFeedWorld(t)
	north, harbor := w.register("north", "a1"), w.register("harbor", "b22")
	h := &holder{w.copies, "north", 0, map[hie.SourcePatientID][]byte{}}
	step := func(name string, told bool, f func()) {
		t.Helper()
		before := h.after
		f()
		if err := h.follow(w.ctx, 10); err != nil {
			t.Fatal(err)
		}
		if (h.after != before) != told {
			t.Errorf("%s: told %v, want %v", name, h.after != before, told)
		}
	}
	var link mpi.ChangeID
	join := func() {
		done, err := w.patients.Decide(w.ctx, feedClerk, north, harbor, mpi.MustLink, "one man")
		if err != nil || done.Change == 0 {
			t.Fatalf("not linked: %v", err)
		}
		link = done.Change
	}
	var refusal consent.Version
	step("registered", false, func() {})
	step("linked, and nobody wishes anything", false, join)
	step("a permission about the program's documents alone", false, func() {
		w.file(harbor, consent.Version{Content: says("permit", consent.PolicyPart2, "")}, 0)
	})
	step("an emergency at the program", false, func() {
		if err := w.consents.Claim(w.ctx, feedClerk, consent.Emergency{ReasonCode: "unconscious", Text: "found unconscious at home", Role: "ed", At: hie.Now(), Attested: consent.Attestations()},
			hie.Now().Add(time.Hour), []hie.SourcePatientID{harbor}, nil); err != nil {
			t.Fatal(err)
		}
	})
	step("a refusal at the program that is meant for everybody", true, func() {
		refusal = w.file(harbor, consent.Version{NetworkWide: true, Content: says("deny", consent.PolicyHidden, "")}, 0)
	})
	step("the link undone: it binds the hospital no longer", true, func() {
		if _, err := w.patients.Undo(w.ctx, feedClerk, link, "two men"); err != nil {
			t.Fatal(err)
		}
	})
	if len(h.held) != 0 {
		t.Errorf("the hospital still holds %d copies", len(h.held))
	}
	step("revoked where it no longer binds the hospital", false, func() {
		refusal.Status = "inactive"
		w.file(harbor, refusal, refusal.Number)
	})
	step("a wish at the hospital", true, func() { w.file(north, consent.Version{Content: says("deny", consent.PolicyHidden, "")}, 0) })
	n := 0
	if err := w.db.QueryRow(w.ctx, `select count(*) from consent.copy where site = 'north'`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows for one registration, %v", n, err)
	}
}

// TestNothingIsMissedAndNothingComesBeforeItsPredecessor has many writers, some of them slow, and sites that read through two nodes all
// the while: what was acknowledged before a reader asks is in its answer, and numbers only rise.
//
// Source: spec consent 2.14, 2.19; DESIGN idea 9.
func TestNothingIsMissedAndNothingComesBeforeItsPredecessor(t *testing.T) {
	w := newFeedWorld(t)
	for i := range 12 {
		w.register("north", fmt.Sprintf("%c%d", 'a'+i, i))
	}
	release, began := make(chan struct{}), make(chan struct{})
	var wg, writers sync.WaitGroup
	wg.Go(func() {
		err := pg.InTx(w.ctx, w.db, sql.LevelReadCommitted, func(tx *pg.Tx) error { // begins before everything and ends after it
			_, err := tx.Exec(w.ctx, `insert into consent.copy_due (sp_id, change_id) values (1, 1)`)
			close(began)
			<-release
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-began
	a, b := w.reader(), w.reader()
	for i, r := range w.records["north"] {
		writers.Go(func() {
			for n := range 6 {
				v := w.file(r, consent.Version{Content: says([]string{"deny", "permit"}[n%2], "urn:local", "")}, 0)
				copies := []*federation.Copies{a, b}[(i+n)%2]
				notices, _, err := copies.Changes(w.ctx, []hie.SiteID{"north"}, 0, 100)
				if err != nil {
					t.Error(err)
					return
				}
				at := slices.IndexFunc(notices, func(n consent.CopyNotice) bool { return n.Record == r })
				if at < 0 {
					t.Errorf("a filing that was acknowledged is not in the feed")
					return
				}
				c, err := copies.Copy(w.ctx, r)
				if err != nil || !slices.ContainsFunc(c.Directives, func(d consent.Copied) bool { return d.ID == fmt.Sprint(v.ID) }) {
					t.Errorf("a filing that was acknowledged is not in the copy: %v", err)
				}
				if d := c.Digest(); !bytes.Equal(d[:], notices[at].Digest) {
					t.Error("the notice is not of the copy")
				}
			}
		})
	}
	stop := make(chan struct{})
	h := &holder{b, "north", 0, map[hie.SourcePatientID][]byte{}}
	wg.Go(func() {
		for {
			if err := h.follow(w.ctx, 3); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	writers.Wait()
	close(stop)
	close(release)
	wg.Wait()
	if err := h.follow(w.ctx, 3); err != nil {
		t.Fatal(err)
	}
	if len(h.held) != 12 {
		t.Errorf("%d copies held, want 12", len(h.held))
	}
	for r, digest := range h.held {
		c, err := w.copies.Copy(w.ctx, r)
		if d := c.Digest(); err != nil || !bytes.Equal(d[:], digest) {
			t.Errorf("an old copy was held in the end: %v", err)
		}
	}
}

// TestAPatientNobodyHasAWishAboutCostsTheFeedNothing counts rows after registrations and links.
func TestAPatientNobodyHasAWishAboutCostsTheFeedNothing(t *testing.T) {
	w := newFeedWorld(t)
	a, b := w.register("north", "a1"), w.register("south", "b22")
	if _, err := w.patients.Decide(w.ctx, feedClerk, a, b, mpi.MustLink, "one woman"); err != nil {
		t.Fatal(err)
	}
	if _, pending, err := w.copies.Changes(w.ctx, []hie.SiteID{"north", "south"}, 0, 10); err != nil || pending {
		t.Fatal(pending, err)
	}
	for _, table := range []string{"consent.copy_due", "consent.copy"} {
		n := 0
		if err := w.db.QueryRow(w.ctx, `select count(*) from `+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows in %s, %v", n, table, err)
		}
	}
}

// TestTheFeedBeginsAnewWhereIdentityChangesWereLost: who was forgotten as a reader of the outbox cannot know what changed meanwhile.
func TestTheFeedBeginsAnewWhereIdentityChangesWereLost(t *testing.T) {
	w := newFeedWorld(t)
	a, b := w.register("north", "a1"), w.register("south", "b22")
	w.file(b, consent.Version{NetworkWide: true, Content: says("deny", consent.PolicyHidden, "")}, 0)
	h := &holder{w.copies, "north", 0, map[hie.SourcePatientID][]byte{}}
	if err := h.follow(w.ctx, 10); err != nil || len(h.held) != 0 {
		t.Fatalf("%d copies before the link, %v", len(h.held), err)
	}
	if err := w.patients.ForgetReader(w.ctx, feedClerk, "concord.copies"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.patients.Decide(w.ctx, feedClerk, a, b, mpi.MustLink, "one woman"); err != nil {
		t.Fatal(err)
	}
	if err := h.follow(w.ctx, 10); err != nil || len(h.held) != 1 {
		t.Errorf("%d copies once the link had been made unheard, want 1, %v", len(h.held), err)
	}
	var log strings.Builder
	ctx, cancel := context.WithTimeout(w.ctx, 100*time.Millisecond)
	defer cancel()
	w.copies.Watch(ctx, slog.New(slog.NewTextHandler(&log, nil)))
	if log.Len() > 0 {
		t.Errorf("in peace the feed logs %s", log.String())
	}
}

// TestADisputedRegistrationBindsWhereNobodyWishesAnything: somebody else's data came under a known number before anybody read the feed.
// No default reaches such a record, so its site is told.
//
// Source: spec consent 2.13 (a disputed link: neither permit nor default crosses).
func TestADisputedRegistrationBindsWhereNobodyWishesAnything(t *testing.T) {
	w := newFeedWorld(t)
	record := w.register("north", "a1")
	if _, err := w.patients.Register(w.ctx, feedClerk, mpi.Registration{Site: "north", Local: hie.Identifier{System: "urn:north", Value: "a1"}, Received: []byte("other"), Active: true,
		Demographics: mpi.Demographics{Names: []mpi.Name{{Family: "Okonkwo", Given: []string{"Brandt"}}}, Birth: mpi.Date{Year: 1999, Month: 11, Day: 30}, Sex: "male"}}); err != nil {
		t.Fatal(err)
	}
	h := &holder{w.copies, "north", 0, map[hie.SourcePatientID][]byte{}}
	if err := h.follow(w.ctx, 10); err != nil || h.held[record] == nil {
		t.Fatalf("%d copies held, want that of the disputed registration, %v", len(h.held), err)
	}
	c, err := w.copies.Copy(w.ctx, record)
	if err != nil || c.Subject.Records[0].Link != hie.LinkDisputed {
		t.Errorf("the copy says %v, %v", c.Subject.Records, err)
	}
}
