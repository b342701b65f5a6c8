package consentjson

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
)

func TestEveryPackIsSignedAndMeansWhatItsTestsSay(t *testing.T) {
	all, err := Builtins()
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, b := range all {
		t.Run(b.Pack.ID, func(t *testing.T) {
			faults, err := b.Pack.Check()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range faults {
				t.Error(f)
			}
			silent := b.Pack
			silent.Statements = nil
			if faults, err := silent.Check(); err == nil && faults == nil && b.Pack.Statements != nil {
				t.Error("without its words nothing is amiss")
			}
			if w := silent.Wordless(); (w == nil) != (b.Pack.Statements == nil) {
				t.Errorf("has words, and attaches %v", w)
			}
		})
		cases += len(b.Pack.Tests)
	}
	if len(all) < 9 || cases < 80 {
		t.Errorf("%d packs with %d cases", len(all), cases)
	}
}

func TestASignatureIsOverEveryByteAndOfATrustedKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte(`{"id":"x"}`)
	sig := Sign(content, private)
	for _, tt := range []struct {
		name    string
		content []byte
		sig     string
		keys    []ed25519.PublicKey
		ok      bool
	}{
		{"as signed", content, sig, []ed25519.PublicKey{other, public}, true},
		{"a byte more", append(bytes.Clone(content), ' '), sig, []ed25519.PublicKey{public}, false},
		{"another key", content, sig, []ed25519.PublicKey{other}, false},
		{"no key", content, sig, nil, false},
		{"no signature", content, "", []ed25519.PublicKey{public}, false},
		{"another's name", content, KeyID(other) + sig[strings.IndexByte(sig, ' '):], []ed25519.PublicKey{other, public}, false},
		{"not base64", content, KeyID(public) + " !", []ed25519.PublicKey{public}, false},
	} {
		if err := Verify(tt.content, tt.sig, tt.keys); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestAPackOutOfShapeIsRefusedWithItsPlace(t *testing.T) {
	ok := `{"id":"x","title":"X","kind":"law","rules":[{"id":"r","effect":"FORBID","source":"s","scope":{"purposes":["HMARKT"]}}],"tests":[{"name":"n","request":{"purposes":["HMARKT"]},"want":{"reason":"LAW_FORBID"}}]}`
	for _, tt := range []struct{ name, old, changed, path string }{
		{"not JSON", ok, `{"id":`, "id"},
		{"a member nobody knows", `"effect"`, `"efect"`, "rules[0].efect"},
		{"a wrong type", `"purposes":["HMARKT"]}}],`, `"purposes":"HMARKT"}}],`, "rules[0].scope.purposes"},
		{"a kind there is not", `"kind":"law"`, `"kind":"moon"`, "kind"},
		{"an id with blanks", `"id":"x"`, `"id":"X Y"`, "id"},
		{"no tests", `,"tests":[{"name":"n","request":{"purposes":["HMARKT"]},"want":{"reason":"LAW_FORBID"}}]`, ``, "tests"},
		{"a rule without a source", `"source":"s",`, ``, "rules[0].source"},
		{"a network rule that mandates", `"kind":"law","rules":[{"id":"r","effect":"FORBID"`, `"kind":"network","rules":[{"id":"r","effect":"MANDATE"`, "rules[0].effect"},
		{"a requirement of nothing", `"FORBID"`, `"REQUIRE"`, "rules[0].kind"},
		{"a law an emergency overrides", `"effect":"FORBID"`, `"effect":"FORBID","overridable":true`, "rules[0].overridable"},
		{"a site policy of no site", `"kind":"law"`, `"kind":"site"`, "site"},
		{"what lies under what, in a law", `"title":"X"`, `"title":"X","sensitivities":[{"code":"STD","under":"SEX"}]`, "sensitivities"},
		{"a label under one nobody knows", `"title":"X","kind":"law"`, `"title":"X","sensitivities":[{"code":"STD","under":"XYZ"}],"kind":"network"`, "sensitivities[0]"},
		{"a code of a network that is answered somehow", `"title":"X"`, `"title":"X","exchanges":[{"code":"T-X","purpose":"TREAT","answer":"perhaps"}]`, "exchanges[0].answer"},
		{"a code of a network for no purpose there is", `"title":"X"`, `"title":"X","exchanges":[{"code":"T-X","purpose":"XYZ","answer":"must"}]`, "exchanges[0].purpose"},
		{"a requester nobody knows", `"purposes":["HMARKT"]}}],`, `"requester":"me"}}],`, "rules[0].scope.requester"},
		{"a statement without Spanish", `"tests"`, `"statements":[{"code":"X-Y","source":"s","words":{"en":{"long":"x"}}}],"tests"`, "statements[0].words.es.long"},
		{"a statement in a third language", `"tests"`, `"statements":[{"code":"X-Y","source":"s","words":{"fr":{"long":"x"}}}],"tests"`, "statements[0].words.fr"},
		{"a statement of nothing", `"tests"`, `"statements":[{"code":"x y","source":"s","words":{"en":{"long":"x"},"es":{"long":"x"}}}],"tests"`, "statements[0].code"},
		{"a statement of what binds the exchange", `"tests"`, `"statements":[{"code":"AOD","source":"s","words":{"en":{"long":"x"},"es":{"long":"x"}}}],"tests"`, "statements[0].code"},
		{"a statement without a ground", `"tests"`, `"statements":[{"code":"X-Y","source":"","words":{"en":{"long":"x"},"es":{"long":"x"}}}],"tests"`, "statements[0].source"},
		{"a short form that no header takes", `"tests"`, `"statements":[{"code":"X-Y","source":"s","words":{"en":{"long":"x","short":"né"},"es":{"long":"x","short":"x"}}}],"tests"`, "statements[0].words.en.short"},
		{"a short form in one language", `"tests"`, `"statements":[{"code":"X-Y","source":"s","words":{"en":{"long":"x","short":"x"},"es":{"long":"x"}}}],"tests"`, "statements[0].words.es.short"},
		{"a place for a value that is stated", `"tests"`, `"statements":[{"code":"X:Y","source":"s","words":{"en":{"long":"x {value}"},"es":{"long":"x"}}}],"tests"`, "statements[0].words.en.long"},
		{"a label nobody knows", `"purposes":["HMARKT"]}}],`, `"labels":["XYZ"]}}],`, "rules[0].scope.labels"},
	} {
		if !strings.Contains(ok, tt.old) {
			t.Fatalf("%s: %s is not in the pack", tt.name, tt.old)
		}
		p, err := ReadPack([]byte(strings.Replace(ok, tt.old, tt.changed, 1)))
		if err == nil {
			_, err = p.Check()
		}
		var invalid *hie.InvalidError
		if !errors.As(err, &invalid) || invalid.Path != tt.path {
			t.Errorf("%s: %v, want an error at %s", tt.name, err, tt.path)
		}
	}
	p, err := ReadPack([]byte(ok))
	if err != nil {
		t.Fatal(err)
	}
	if faults, err := p.Check(); err != nil || faults != nil {
		t.Errorf("the pack itself: %v %v", faults, err)
	}
	p.Tests[0].Want.Reason = "PERMIT"
	p.Rules = append(p.Rules, p.Rules[0])
	p.Rules[1].ID, p.Rules[1].Scope.Classes = "never", []string{"nothing"}
	faults, err := p.Check()
	if err != nil || len(faults) != 2 || faults[0].Got != "LAW_FORBID" || faults[1].Rule != "never" {
		t.Errorf("a wrong test and an untried rule give %v, %v", faults, err)
	}
	p.Tests[0].Want.Reason = "LAW_FORBID"
	p.Rules = p.Rules[:1]
	p.Rules[0].Obligations = []string{"DELAU: soon"}
	if faults, err := p.Check(); err != nil || len(faults) != 2 || faults[0].Rule != "r" || faults[1].Missing == "" {
		t.Errorf("an obligation no header takes, without words, gives %v, %v", faults, err)
	}
}
