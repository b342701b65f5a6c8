package consentfhir

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/concord-hie/concord/consent"
)

// manyConsents is a case of six consents and fifteen rules, with some members null: 4 to 5 KB.
func manyConsents() []byte {
	root := []string{
		`"provision":{"type":"permit","purpose":[{"code":"TREAT"},{"code":"HPAYMT"},{"code":"HOPERAT"}]}`,
		`"provision":{"type":"permit","purpose":[{"code":"TREAT"}],"provision":[{"type":"deny","securityLabel":[{"code":"PSY"}]},{"type":"deny","actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/oak"}}]}]}`,
		`"provision":{"type":"deny"}`,
	}
	var consents, rules []string
	for i := range 6 {
		consents = append(consents, fmt.Sprintf(`{"filed":"2025-0%[1]d-01T00:00:00Z","signed":"2025-0%[1]d-01T00:00:00Z","verified":true,"absolute":null,"record":"r1","networkWide":true,"resource":`+
			`{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"59284-0"}]}],"patient":{"reference":"Patient/%[1]d"},`+
			`"performer":[{"reference":"Patient/%[1]d"}],"dateTime":"2026-01-05T10:00:00Z","policy":[{"uri":"%[2]s"}],%[3]s}}`, i+1, consent.PolicySharing, root[i%3]))
	}
	for i := range 15 {
		rules = append(rules, fmt.Sprintf(`{"id":"r%d","layer":"law","effect":"REQUIRE","kind":"k%d","scope":{"labels":["HIV"],"purposes":["HPAYMT"]}}`, i, i))
	}
	return fmt.Appendf(nil, `{"id":"1","now":"2026-03-01T10:00:00Z","defaults":[{"network":true,"purposeClass":"*","category":"*","default":"permit"}],"organizations":[{"id":"north"},{"id":"elm"}],`+
		`"sites":[{"id":"s1","org":"north","regimes":[],"zone":"America/New_York","labels":"labelled","privilegedRoles":["ed"]}],"policies":[{"uri":%q,"widening":true}],"rules":[%s],`+
		`"subject":{"records":[{"id":"r1","site":"s1","link":"confirmed"}]},"consents":[%s],"request":{"organization":"elm","practitioner":null,"roles":["physician"],"purposes":["TREAT"],"instruments":[],"abilities":[]},`+
		`"document":{"id":"d1","record":"r1","site":"s1","class":"lab","confidentiality":"N","sensitivity":[],"labelState":"labelled"}}`, consent.PolicySharing, strings.Join(rules, ","), strings.Join(consents, ","))
}

// BenchmarkDecideLine answers one line of `concord consent decide`.
//
// Source: issue "Consent" (20 k cases a second).
func BenchmarkDecideLine(b *testing.B) {
	line := manyConsents()
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var zones Zones
	for b.Loop() {
		DecideLine(line, &zones)
	}
}

// BenchmarkDecideStream answers a file of such lines, on every core.
func BenchmarkDecideStream(b *testing.B) {
	line := append(manyConsents(), '\n')
	in := bytes.Repeat(line, 2000)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if err := DecideStream(bytes.NewReader(in), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
