package consentpg

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// stored puts a version of policy in force that was kept as content says, by whatever rules there were then.
func (o *office) stored(policy string, content, signature []byte) []consent.PackVersion {
	o.Helper()
	ctx := context.Background()
	for _, s := range []struct {
		actor hie.Actor
		what  consent.PolicyAction
	}{{drafter, consent.PolicySimulated}, {approver, consent.PolicyApproved}, {drafter, consent.PolicyActivated}} {
		if _, err := o.take(s.actor, s.what, policy, 1, time.Time{}); err != nil {
			o.Fatal(err)
		}
	}
	if _, err := o.db.Exec(ctx, `update consent.policy_version set content = $2, signature = $3 where policy_id = $1`, policy, content, string(signature)); err != nil {
		o.Fatal(err)
	}
	set, err := o.Set(ctx)
	if err != nil {
		o.Fatal(err)
	}
	packs, _, err := set.At(o.now.Add(time.Hour))
	if err != nil {
		o.Fatal(err)
	}
	return packs
}

// A version kept from before packs held words is trusted by the key that signed it then, stays as it was received, and
// speaks in the words of the program's pack. Drafted today it would be refused.
func TestAVersionFromBeforePacksHeldWordsStaysInForceAndSpeaks(t *testing.T) {
	o := newOffice(t)
	content, err := os.ReadFile("testdata/us-part2-before-words.json")
	if err != nil {
		t.Fatal(err)
	}
	signature, err := os.ReadFile("testdata/us-part2-before-words.json.sig")
	if err != nil {
		t.Fatal(err)
	}
	var invalid *hie.InvalidError
	if _, err := o.Draft(context.Background(), drafter, content, string(signature), "", true); !errors.As(err, &invalid) || invalid.Path != "tests" {
		t.Errorf("drafted without words: %v", err)
	}
	now, err := o.Version(context.Background(), "us-part2", 0)
	if err != nil {
		t.Fatal(err)
	}
	o.draft(string(now.Content), now.Signature)
	packs := o.stored("us-part2", content, signature)
	i := slices.IndexFunc(packs, func(v consent.PackVersion) bool { return v.Pack.ID == "us-part2" })
	if i < 0 || packs[i].Version != 1 {
		t.Fatal("it is not in force")
	}
	if v, err := o.Version(context.Background(), "us-part2", 1); err != nil || string(v.Content) != string(content) {
		t.Errorf("it is not as received: %v", err)
	}
	for _, r := range (consent.Options{}).In(packs, o.now).Rules {
		if strings.HasPrefix(r.ID, "us-part2/1:") && (r.Mute || len(r.Obligations) != len(r.Statements)) {
			t.Errorf("%s attaches %v and says %d things", r.ID, r.Obligations, len(r.Statements))
		}
	}
}

// A policy of somebody's own that was kept without words, and that nobody has words for, lets nothing go that it obliges to.
func TestAnObligationNobodyHasWordsForIsNotReleased(t *testing.T) {
	o := newOffice(t)
	o.draft(house, "")
	wordless := strings.Replace(house, `"effect":"FORBID"`, `"effect":"NEUTRAL","obligations":["STATE-STMT:ZZ"]`, 1)
	rules := (consent.Options{}).In(o.stored("house", []byte(wordless), nil), o.now).Rules
	i := slices.IndexFunc(rules, func(r consent.Rule) bool { return r.ID == "house/1:no-marketing" })
	if i < 0 || !rules[i].Mute {
		t.Fatalf("the rule is not known to have no words: %d", i)
	}
}
