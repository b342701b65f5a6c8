package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/token"
)

// believed verifies a permission as a site would that knows nothing but the keys the exchange publishes, and returns its
// header and claims.
func believed(t *testing.T, keySet []byte, compact string) (head, claims map[string]any) {
	t.Helper()
	var set struct {
		Keys []struct{ Kid, Crv, X, Y string }
	}
	if err := json.Unmarshal(keySet, &set); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	part := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err := json.Unmarshal(part(parts[0]), &head); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k.Kid != head["kid"] || k.Crv != "P-384" || head["alg"] != "ES384" {
			continue
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), slices.Concat([]byte{4}, part(k.X), part(k.Y)))
		if err != nil {
			t.Fatal(err)
		}
		sum, sig := sha512.Sum384([]byte(parts[0]+"."+parts[1])), part(parts[2])
		if len(sig) == 96 && ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:48]), new(big.Int).SetBytes(sig[48:])) {
			if err := json.Unmarshal(part(parts[1]), &claims); err != nil {
				t.Fatal(err)
			}
			return head, claims
		}
	}
	t.Fatal("no published key signed it")
	return nil, nil
}

// TestASiteBelievesAPermissionByThePublishedKeysAlone: what a site may let go by itself comes signed, for that site, for a
// minute at most and never beyond the wish it rests on, with PCF's residual as claims; it is no access token; and where a
// document of several labels would slip through, it is given only to a site that says it asks for each of those.
//
// Source: IHE PCF, ITI-71 3.71.4.2.2.1.4; spec consent vector 93 and section 1.
func TestASiteBelievesAPermissionByThePublishedKeysAlone(t *testing.T) {
	w := newWard(t)
	signer, err := token.Generate(token.ES384)
	if err != nil {
		t.Fatal(err)
	}
	codec := accessjwt.New(signer)
	env, err := consent.FromNetwork(w.network, consent.Options{}) // no law here: what its rules ask of documents, a filter cannot
	if err != nil {
		t.Fatal(err)
	}
	w.env, w.sign = env, codec.SignPermission
	filed := w.now().Add(-time.Hour)
	file := func(provision string) { // the newest counts alone
		t.Helper()
		filed = filed.Add(time.Minute)
		w.cabinet.now = func() time.Time { return filed }
		body := strings.Replace(consentBody(refTo(w.alice)), `"provision":{"type":"deny"}`, `"provision":{"type":"deny","provision":[`+provision+`]}`, 1)
		if r := w.file(mercyToken, body); r.Code != http.StatusCreated {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
	}
	ask := func(more string) map[string]any {
		t.Helper()
		r := w.do(http.MethodPost, "/fhir/Consent/$residual", mercyToken, []byte(`{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":`+refTo(w.alice)+`},
 {"name":"organization","valueReference":{"reference":"Organization/oak"}},{"name":"purpose","valueCode":"TREAT"}`+more+`]}`))
		var out struct {
			Parameter []struct {
				Name         string
				ValueBoolean *bool
				ValueString  string
			}
		}
		if err := json.Unmarshal(r.Body.Bytes(), &out); err != nil || r.Code != http.StatusOK {
			t.Fatalf("%d %v %s", r.Code, err, r.Body)
		}
		got := map[string]any{}
		for _, p := range out.Parameter {
			if got[p.Name] = p.ValueString; p.ValueBoolean != nil {
				got[p.Name] = *p.ValueBoolean
			}
		}
		return got
	}
	file(`{"type":"permit","dataPeriod":{"start":"2022-01-01T00:00:00Z","end":"2022-12-31T00:00:00Z"}}`)
	got := ask("")
	if got["permit"] != true {
		t.Fatalf("a permission for a year: %v", got)
	}
	compact, _ := got["token"].(string)
	head, claims := believed(t, codec.KeySet(), compact)
	extensions, _ := claims["extensions"].(map[string]any)
	pcf, _ := json.Marshal(extensions["ihe_pcf"])
	var told any
	if err := json.Unmarshal([]byte(got["ihe_pcf"].(string)), &told); err != nil || fmt.Sprint(told) != fmt.Sprint(extensions["ihe_pcf"]) || !strings.Contains(string(pcf), `"residual":[{"type":"forbid"},{`) {
		t.Errorf("the signed extension is %s, beside it stands %v", pcf, got["ihe_pcf"])
	}
	who, _ := json.Marshal(extensions["ihe_iua"])
	life := claims["exp"].(float64) - claims["iat"].(float64)
	if head["typ"] != "permission+jwt" || claims["aud"] != "urn:org:mercy" || claims["sub"] != "urn:org:oak" || life != 60 || !strings.Contains(string(who), `"TREAT"`) {
		t.Errorf("head %v, claims %v", head, claims)
	}
	if _, err := codec.OpenToken(compact); err == nil {
		t.Error("it is taken for an access token")
	}
	if changed := strings.Replace(compact, ".", ".x", 1); func() bool { tt, err := token.Parse(changed); return err == nil && signer.Public().Verify(tt) == nil }() {
		t.Error("changed, it is still believed")
	}

	file(`{"type":"permit","securityLabel":[{"code":"PSY"}]}`)
	if got := ask(""); got["permit"] != false || got["token"] != nil || got["ihe_pcf"] != nil {
		t.Errorf("a permission by label, to a site that says nothing of documents with several: %v", got)
	}
	if got := ask(`,{"name":"oneLabel","valueBoolean":true}`); got["permit"] != true || !strings.Contains(fmt.Sprint(got["ihe_pcf"]), `"PSY"`) {
		t.Errorf("to one that asks for each of those: %v", got)
	}
	file(`{"type":"permit","securityLabel":[{"code":"N"}]}`)
	if got := ask(""); got["permit"] != true {
		t.Errorf("a permission by confidentiality, of which a document has one: %v", got)
	}
	w.env, err = consent.FromNetwork(w.network, consent.Options{Rules: []consent.Rule{{ID: "pause", Layer: consent.LayerLaw, Effect: consent.Mandate, Start: w.now().Add(20 * time.Second)}}})
	if err != nil {
		t.Fatal(err)
	}
	_, claims = believed(t, codec.KeySet(), fmt.Sprint(ask("")["token"]))
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 20 {
		t.Errorf("it holds %v s, want 20: then a rule begins", life)
	}
}

// TestUnderTheLawInForcePermissionsNameTheDocuments: no rule of a token can say that psychotherapy notes stay, nor that every label of
// a document must be permitted; so what may leave is named, document by document, by its address here and its site's own id.
//
// Source: 45 CFR 164.508(a)(2); spec consent vector 93.
func TestUnderTheLawInForcePermissionsNameTheDocuments(t *testing.T) {
	w := newWard(t) // under the packs that come with the program
	signer, err := token.Generate(token.ES384)
	if err != nil {
		t.Fatal(err)
	}
	w.sign = accessjwt.New(signer).SignPermission
	filed := w.now().Add(-time.Hour)
	w.cabinet.now = func() time.Time { return filed }
	body := strings.Replace(consentBody(refTo(w.alice)), `"provision":{"type":"deny"}`, `"provision":{"type":"deny","provision":[{"type":"permit","provision":[{"type":"deny","securityLabel":[{"code":"HIV"}]}]}]}`, 1)
	if r := w.file(mercyToken, body); r.Code != http.StatusCreated {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	listed := func(name string, parts ...consent.Document) consent.Listed {
		for i := range parts {
			p := &parts[i]
			p.ID, p.Record, p.Site, p.Type, p.LabelState, p.Confidentiality, p.Flags = name, w.aliceRec.String(), "mercy-main", "18842-5", consent.Labelled, "N", []string{}
		}
		return consent.Listed{Parts: parts, Name: name, Master: hie.Identifier{System: "urn:ietf:rfc:3986", Value: "urn:oid:1.2." + name}}
	}
	ask := func() string {
		t.Helper()
		r := w.do(http.MethodPost, "/fhir/Consent/$residual", mercyToken, []byte(`{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":`+refTo(w.alice)+`},
 {"name":"organization","valueReference":{"reference":"Organization/oak"}},{"name":"purpose","valueCode":"TREAT"}]}`))
		var out struct {
			Parameter []struct {
				Name         string
				ValueBoolean *bool
				ValueString  string
			}
		}
		if err := json.Unmarshal(r.Body.Bytes(), &out); err != nil || r.Code != http.StatusOK {
			t.Fatalf("%d %v %s", r.Code, err, r.Body)
		}
		for _, p := range out.Parameter {
			if p.Name == "ihe_pcf" {
				return p.ValueString
			}
		}
		return ""
	}
	if got := ask(); got != "" {
		t.Errorf("where the index knows of no document: %s", got)
	}
	w.held = []consent.Listed{
		listed("plain", consent.Document{Class: "11488-4"}),
		listed("psych", consent.Document{Class: "psychotherapy-note"}),
		listed("both", consent.Document{Class: "11488-4"}, consent.Document{Class: "psychotherapy-note"}), // of two classes
		listed("hiv", consent.Document{Class: "11488-4", Sensitivity: []string{"PSY", "HIV"}}),
		listed("psy", consent.Document{Class: "11488-4", Sensitivity: []string{"PSY"}}),
	}
	var pcf struct {
		Residual []struct {
			Type string
			Data []struct {
				Meaning   string
				Reference struct {
					Reference  string
					Identifier struct{ Value string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(ask()), &pcf); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, r := range pcf.Residual {
		got += r.Type + " "
		for _, d := range r.Data {
			got += d.Meaning + " " + d.Reference.Reference[strings.LastIndexByte(d.Reference.Reference, '/')+1:] + " " + d.Reference.Identifier.Value + " "
		}
	}
	if want := "forbid permit instance plain urn:oid:1.2.plain instance psy urn:oid:1.2.psy "; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}
