package consentfhir

import (
	"strings"
	"testing"
)

// A case that says "" has said something: only null is absent (spec consent-cases, "Case"). Each row releases when "" is
// taken for nothing, and is refused as any other value nobody knows is.
func TestAnEmptyTextIsAValueNobodyKnows(t *testing.T) {
	const (
		scope  = `"scope":{"coding":[{"code":"patient-privacy"}]}`
		optIn  = `"policyRule":{"coding":[{"code":"OPTIN"}]}`
		plain  = `"subject":{"records":[{"id":"r","link":"confirmed"}]}`
		shared = `"defaults":[{"network":true,"purposeClass":"*","category":"*","default":"permit"}]`
	)
	filed := func(day, more, resource string) string {
		return `{"filed":"` + day + `T00:00:00Z","signed":"` + day + `T00:00:00Z","verified":true,"record":"r","networkWide":true` + more + `,"resource":{` + resource + `}}`
	}
	june := func(resource string) string { return filed("2025-06-01", "", `"status":"active",`+resource) }
	replaced := func(refusal, later string) string {
		return june(refusal+`"provision":{"type":"deny"}`) + "," + filed("2025-07-01", `,"returnToDefault":true`, `"status":"inactive",`+later+`"provision":{"type":"permit"}`)
	}
	for _, tt := range []struct{ name, subject, more, consents, reason string }{
		{"a type", plain, "", june(scope + `,"provision":{"type":""},` + optIn), "DENY"},
		{"the reference of a proxy, and a performer without one", `"subject":{"records":[{"id":"r","link":"confirmed"}],"proxies":[{"ref":""}]}`, "",
			june(scope + `,"performer":[{}],` + optIn), "DEFAULT_DENY"},
		{"the end of a proxy's power", `"subject":{"records":[{"id":"r","link":"confirmed"}],"proxies":[{"ref":"RelatedPerson/g","end":""}]}`, "",
			june(scope + `,"performer":[{"reference":"RelatedPerson/g"}],` + optIn), "DEFAULT_DENY"},
		{"its start", `"subject":{"records":[{"id":"r","link":"confirmed"}],"proxies":[{"ref":"RelatedPerson/g","start":""}]}`, "",
			june(scope + `,"performer":[{"reference":"RelatedPerson/g"}],` + optIn), "DEFAULT_DENY"},
		{"what a policy does when it expires", plain, shared + `,"policies":[{"uri":"u","onExpiry":""}],`,
			june(scope + `,"policy":[{"uri":"u"}],"provision":{"period":{"end":"2025"}},` + optIn), "TOMBSTONE"},
		{"the policy of a later consent: it has another key", plain, shared + ",", replaced(scope+`,"policy":[{}],`, scope+`,"policy":[{"uri":""}],`), "DENY"},
		{"the scope of a later consent", plain, shared + ",", replaced("", `"scope":{"coding":[{"code":""}]},`), "DENY"},
		{"the performer of a later consent", plain, shared + ",", replaced(scope+`,"performer":[{}],`, scope+`,"performer":[{"reference":""}],`), "DENY"},
		{"the organization of a later consent", plain, shared + ",", replaced(scope+`,"organization":[{}],`, scope+`,"organization":[{"reference":""}],`), "DENY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := string(DecideLine([]byte(`{"id":"x","now":"2026-03-01T10:00:00Z","organizations":[{"id":"n"}],"sites":[{"id":"s"}],
 "request":{"organization":"n","purposes":["TREAT"]},"document":{"record":"r","site":"s"},`+tt.more+tt.subject+`,"consents":[`+tt.consents+`]}`), new(Zones)))
			if !strings.Contains(got, `"release":false`) || !strings.Contains(got, `"reason":"`+tt.reason+`"`) {
				t.Errorf("%s, want %s", got, tt.reason)
			}
		})
	}
}
