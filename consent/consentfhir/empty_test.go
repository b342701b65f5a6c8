package consentfhir

import (
	"strings"
	"testing"
)

// What a case leaves out is not the entry listed under "" (spec consent-cases, "Case" and INPUT).
func TestWhatIsAbsentIsNotWhatHasAnEmptyId(t *testing.T) {
	const whole = `{"id":"x","now":"2026-03-01T10:00:00Z","defaults":[{"network":true,"purposeClass":"*","category":"*","default":"permit"}],"organizations":[{"id":"n"},{"id":""}],
 "sites":[{"id":"s"},{"id":""}],"subject":{"records":[{"id":"r","link":"confirmed"},{"id":"","link":"confirmed"}]},"purposes":[{"code":""}],
 "request":{"organization":"n","purposes":["TREAT"]},"document":{"record":"r","site":"s"},"consents":[{"filed":"2025-06-01T00:00:00Z","resource":{"status":"active"}}]}`
	for _, tt := range []struct{ name, cut, put, want string }{
		{"nothing, and a consent of no record is nobody's", "", "", `"release":true,"atoms":{"plain":"permit"},"reason":"DEFAULT"`},
		{"the organization", `"organization":"n",`, "", `"release":false,"atoms":{"plain":"deny"},"reason":"INPUT"`},
		{"the record", `"record":"r",`, "", `"release":false,"atoms":{"plain":"deny"},"reason":"INPUT"`},
		{"the site", `,"site":"s"`, "", `"release":false,"atoms":{"plain":"deny"},"reason":"INPUT"`},
		{"but a rule may name the site of the empty id", `"site":"s"},`, `"site":""},"rules":[{"id":"q","layer":"law","effect":"REQUIRE","scope":{"sites":[""]}}],`, `"release":false,"atoms":{"plain":"deny"},"reason":"LAW_REQUIRE"`},
		{"the code of a purpose", `"resource":{"status":"active"}`, `"record":"r","resource":{"status":"active","provision":{"purpose":[{}]}}`, `"release":false,"atoms":{"plain":"deny"},"reason":"DENY"`},
		{"the role of an emergency", `"purposes":["TREAT"]}`, `"purposes":["TREAT"],"roles":[""],"emergency":{"reasonCode":"disaster","text":"a text of twenty bytes","at":"2026-03-01T10:00:00Z",
 "attested":["emergency-exists","consent-not-obtainable-in-time","not-refused-if-able"]}}`, `"release":false,"atoms":{"plain":"deny"},"reason":"EMERGENCY_INVALID"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line := strings.Replace(strings.Replace(whole, tt.cut, tt.put, 1), `{"id":"s"}`, `{"id":"s","privilegedRoles":[""]}`, 1)
			if got := string(DecideLine([]byte(line), new(Zones))); !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

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
