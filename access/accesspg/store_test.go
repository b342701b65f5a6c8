package accesspg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessjson"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/internal/token"
	"github.com/go-json-experiment/json"
)

var operator = hie.Actor{Client: "concord-cli", User: "op"}

func database(t *testing.T) *pg.DB {
	t.Helper()
	db := pgtest.DB(t)
	for _, org := range []string{"elm", "oak"} {
		_, err := db.Exec(context.Background(), `insert into directory.organization (org_id, name, identifier, kind, jurisdiction, active)
			values ($1, $1, $2, 'practice', '', true)`, org, "https://"+org+".example.org")
		if err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// registration returns a client as the file would give it, with a key of its own.
func registration(t *testing.T, id string, edit func(*accessjson.Client)) access.Client {
	t.Helper()
	s, err := token.Generate(token.ES256)
	if err != nil {
		t.Fatal(err)
	}
	w := accessjson.Client{ID: id, Name: "Client " + id, Organization: "elm", Status: "active", Scopes: []string{"system/Patient.read"},
		Purposes: []string{"TREAT", "BTG"}, Roles: []string{"physician"}, Abilities: []string{"DELAU"}, JWKS: token.Set([]token.PublicKey{s.Public()}),
		Delegations: []accessjson.Delegation{{Principal: "oak", Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	if edit != nil {
		edit(&w)
	}
	return parse(t, w)
}

func parse(t *testing.T, clients ...accessjson.Client) access.Client {
	t.Helper()
	var raw []string
	for _, c := range clients {
		raw = append(raw, marshal(t, c))
	}
	out, err := accessjson.Parse([]byte(`{"clients":[` + strings.Join(raw, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func count(t *testing.T, db *pg.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRow(context.Background(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatIsAppliedComesBackAndApplyingItAgainChangesNothing(t *testing.T) {
	ctx, db := context.Background(), database(t)
	s := New(db)
	a, b := registration(t, "a", nil), registration(t, "b", func(c *accessjson.Client) { c.Roles, c.Delegations = nil, nil })
	dry, err := s.Apply(ctx, operator, []access.Client{a, b}, true)
	if err != nil || len(dry) != 2 {
		t.Fatalf("dry run: %v, %v", dry, err)
	}
	if n := count(t, db, `select (select count(*) from access.client) + (select count(*) from audit.event) + (select version from access.version)`); n != 0 {
		t.Errorf("the dry run wrote %d things", n)
	}
	diff, err := s.Apply(ctx, operator, []access.Client{a, b}, false)
	if err != nil || diff.String() != dry.String() {
		t.Errorf("the dry run promised\n%swhat was done is\n%s%v", dry, diff, err)
	}
	again, err := s.Apply(ctx, operator, []access.Client{b, a}, false)
	if err != nil || len(again) != 0 {
		t.Errorf("the same again: %s%v", again, err)
	}
	if n := count(t, db, `select count(*) from audit.event where kind = 'administered' and user_id = 'op'`); n != 2 {
		t.Errorf("%d audit events, want 2", n)
	}
	snapshot, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if rest := snapshot.Compare([]access.Client{a, b}); len(rest) != 0 || len(snapshot.Clients()) != 2 {
		t.Errorf("came back with differences:\n%s", rest)
	}
}

func TestAFileThatCannotBeAppliedWholeChangesNothing(t *testing.T) {
	ctx, db := context.Background(), database(t)
	s := New(db)
	for path, edit := range map[string]func(*accessjson.Client){
		"clients[1].organization":             func(c *accessjson.Client) { c.Organization = "nowhere" },
		"clients[1].delegations[0].principal": func(c *accessjson.Client) { c.Delegations[0].Principal = "nowhere" },
	} {
		_, err := s.Apply(ctx, operator, []access.Client{registration(t, "a", nil), registration(t, "b", edit)}, false)
		inv, ok := errors.AsType[*hie.InvalidError](err)
		if !ok || inv.Path != path {
			t.Errorf("got %v, want a fault at %s", err, path)
		}
	}
	if n := count(t, db, `select (select count(*) from access.client) + (select count(*) from audit.event)`); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

func TestTakingSomethingAwayEndsTokensInTheSameTransaction(t *testing.T) {
	ctx, db := context.Background(), database(t)
	s := New(db)
	var first, second accessjson.Client
	a := registration(t, "a", func(c *accessjson.Client) { first = *c })
	if _, err := s.Apply(ctx, operator, []access.Client{a}, false); err != nil {
		t.Fatal(err)
	}
	second = first
	second.Name = "another name"
	if _, err := s.Apply(ctx, operator, []access.Client{parse(t, second)}, false); err != nil {
		t.Fatal(err)
	}
	snapshot, err := s.Current(ctx)
	if err != nil || !snapshot.Killed("a", "elm", "").IsZero() {
		t.Errorf("another name ended tokens: %v", err)
	}
	second.Status = "suspended"
	before := hie.Now()
	diff, err := s.Apply(ctx, operator, []access.Client{parse(t, second)}, false)
	if err != nil || len(diff) != 1 || !diff[0].EndsTokens {
		t.Fatalf("suspension: %s%v", diff, err)
	}
	if snapshot, err = s.Current(ctx); err != nil || snapshot.Killed("a", "elm", "").Before(before) {
		t.Errorf("a suspension did not end tokens at once on its own node: %v", err)
	}
	if n := count(t, db, `select count(*) from audit.event`); n != 3 {
		t.Errorf("%d audit events, want one a change", n)
	}
}

func TestEndsAndRevocationsAreSeenByOtherNodesWithinASecond(t *testing.T) {
	ctx, db := context.Background(), database(t)
	here, there := New(db), New(db)
	if _, err := there.Current(ctx); err != nil {
		t.Fatal(err)
	}
	for _, k := range []access.Kill{{Kind: "client", Subject: "a"}, {Kind: "organization", Subject: "elm"}, {Kind: "user", Subject: access.UserSubject("oak", "u")}} {
		if err := here.EndTokens(ctx, operator, k); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := here.Revoke(ctx, operator, "jti", "a", time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := here.Revoke(ctx, operator, "old", "a", time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(freshFor + 100*time.Millisecond)
	s, err := there.Current(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, dead := range map[string]bool{"client": !s.Killed("a", "x", "").IsZero(), "organization": !s.Killed("x", "elm", "").IsZero(),
		"user": !s.Killed("x", "oak", "u").IsZero(), "token": s.Revoked("jti")} {
		if !dead {
			t.Errorf("the end of a %s is not seen", name)
		}
	}
	if !s.Killed("x", "oak", "v").IsZero() || s.Revoked("other") || s.Revoked("old") {
		t.Error("somebody else's tokens ended too")
	}
	if n := count(t, db, `select count(*) from audit.event`); n != 5 {
		t.Errorf("%d audit events, want 5: one an end, one a token", n)
	}
	if err := here.Revoke(ctx, operator, "third", "a", time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, `select count(*) from access.revoked where token_id = 'old'`); n != 0 {
		t.Error("an ended token's row stays for ever")
	}
}

func TestAPictureCostsOneStatementAWhileAndNoneInBetween(t *testing.T) {
	var mu sync.Mutex
	n := 0
	db, err := pg.Open(context.Background(), pgtest.URL(t), pg.Options{OnQuery: func(string) { mu.Lock(); n++; mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	s := New(db)
	start := time.Now()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := s.Current(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n != 4 && time.Since(start) < freshFor {
		t.Errorf("50 callers of an empty store ran %d statements, want 4", n)
	}
	time.Sleep(freshFor)
	before := n
	if _, err := s.Current(context.Background()); err != nil || n != before+1 {
		t.Errorf("an unchanged picture took %d statements, want 1; %v", n-before, err)
	}
}

func TestWithoutTheDatabaseAPictureServesForASecondAndThenNothingDoes(t *testing.T) {
	db := pgtest.DB(t)
	s := New(db)
	ctx := context.Background()
	start := time.Now()
	if _, err := s.Current(ctx); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	if _, err := s.Current(ctx); err != nil && time.Since(start) < staleAfter {
		t.Errorf("a fresh picture: %v", err)
	}
	time.Sleep(staleAfter + 50*time.Millisecond)
	if _, err := s.Current(ctx); !errors.Is(err, hie.ErrUnavailable) {
		t.Errorf("after a second without the database: %v, want unavailable", err)
	}
}

func TestConcurrentApplicationsAreOneAfterTheOther(t *testing.T) {
	ctx, db := context.Background(), database(t)
	var wg sync.WaitGroup
	for i := range 8 {
		c := registration(t, fmt.Sprintf("c%d", i%2), nil) // another key each time
		wg.Go(func() {
			if _, err := New(db).Apply(ctx, operator, []access.Client{c}, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if v := count(t, db, `select version from access.version`); v != 8 {
		t.Errorf("version %d after 8 changes", v)
	}
	if n := count(t, db, `select count(*) from access.client`); n != 2 {
		t.Errorf("%d clients, want 2", n)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
