package consentfhir

import (
	"bytes"
	"strings"
	"testing"
)

// example is the example of spec consent-cases: an opt-out with an exception for one practice.
const example = `{"id":"ex","now":"2026-03-01T10:00:00Z","defaults":[{"network":true,"purposeClass":"*","category":"*","default":"permit"}],"organizations":[{"id":"north"},{"id":"elm"}],
"sites":[{"id":"s1","org":"north","regimes":[],"zone":"America/New_York","labels":"labelled","privilegedRoles":["ed"]}],"policies":[],"rules":[],
"subject":{"records":[{"id":"r1","site":"s1","link":"confirmed"}]},
"consents":[{"filed":"2025-06-01T00:00:00Z","signed":"2025-06-01T00:00:00Z","verified":true,"record":"r1","networkWide":true,"resource":{"resourceType":"Consent","status":"active",
"scope":{"coding":[{"code":"patient-privacy"}]},"policyRule":{"coding":[{"code":"OPTOUT"}]},"provision":{"provision":[{"type":"permit","actor":[{"reference":{"reference":"Organization/elm"}}]}]}}}],
"request":{"organization":"elm","roles":["physician"],"purposes":["TREAT"],"instruments":[],"abilities":[]},
"document":{"id":"d1","record":"r1","site":"s1","class":"lab","confidentiality":"N","sensitivity":[],"labelState":"labelled"}}`

const refusedInput = `"release":false,"atoms":{"plain":"deny"},"reason":"INPUT","layer":"gate","obligations":[]}`

func TestCasesAreAnsweredAsTheFormatSays(t *testing.T) {
	with := func(old, changed string) string {
		if !strings.Contains(example, old) {
			t.Fatalf("the example has no %s", old)
		}
		return strings.Replace(example, old, changed, 1)
	}
	claimed := func(at string) string {
		return strings.Replace(with(`"abilities":[]}`, `"abilities":[],"emergency":{"reasonCode":"disaster","text":"a text of twenty bytes","role":"ed","at":"`+at+
			`","attested":["emergency-exists","consent-not-obtainable-in-time","not-refused-if-able"]}}`), `"roles":["physician"]`, `"roles":["ed"]`, 1)
	}
	for _, tt := range []struct{ name, in, want string }{
		{"the example of the spec", example, `{"id":"ex","release":true,"atoms":{"plain":"permit"},"reason":"PERMIT","layer":"patient","obligations":["AUDIT","LABELS","RECHECK"]}`},
		{"another practice", with(`"organization":"elm"`, `"organization":"north"`), `{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"DENY","layer":"patient","obligations":[]}`},
		{"not JSON", `{"id":"x"`, `{"id":"x",` + refusedInput},
		{"no object", `[]`, `{"id":"",` + refusedInput},
		{"nothing", ``, `{"id":"",` + refusedInput},
		{"something after the case", example + `{}`, `{"id":"ex",` + refusedInput},
		{"an id of the wrong type", `{"id":7}`, `{"id":"",` + refusedInput},
		{"null for a required member", with(`"now":"2026-03-01T10:00:00Z"`, `"now":null`), `{"id":"ex",` + refusedInput},
		{"an entry without its id", with(`{"id":"north"}`, `{}`), `{"id":"ex",` + refusedInput},
		{"a consent without filed", with(`"filed":"2025-06-01T00:00:00Z",`, ``), `{"id":"ex",` + refusedInput},
		{"a flag that is a string", with(`"verified":true`, `"verified":"true"`), `{"id":"ex",` + refusedInput},
		{"a wrong type inside the Consent", with(`"policyRule":{`, `"performer":{},"policyRule":{`), `{"id":"ex",` + refusedInput},
		{"a wrong type deep in the provision", with(`"type":"permit","actor"`, `"type":"permit","securityLabel":[{"code":1}],"actor"`), `{"id":"ex",` + refusedInput},
		{"a wrong type where nothing is read", with(`"status":"active",`, `"status":"active","category":7,"language":[],`), `{"id":"ex","release":true`},
		{"a contained resource that is not looked at", with(`"status":"active",`, `"status":"active","contained":[{"resourceType":"Group","id":"g","organization":7}],`), `{"id":"ex","release":true`},
		{"a contained role of the wrong shape", with(`"status":"active",`, `"status":"active","contained":[{"resourceType":"PractitionerRole","id":"g","organization":7}],`), `{"id":"ex",` + refusedInput},
		{"a contained role whose id is no string", with(`"status":"active",`, `"status":"active","contained":[{"resourceType":"PractitionerRole","id":7}],`), `{"id":"ex",` + refusedInput},
		{"null as an entry inside a contained role", with(`"status":"active",`, `"status":"active","contained":[{"resourceType":"PractitionerRole","id":"g","code":[{"coding":[null]}]}],`), `{"id":"ex",` + refusedInput},
		{"a contained resource of no kind", with(`"status":"active",`, `"status":"active","contained":[{"resourceType":7,"id":{}},7],`), `{"id":"ex","release":true`},
		{"of two policies with one uri the first counts", strings.NewReplacer(`"policies":[]`, `"policies":[{"uri":"urn:p"},{"uri":"urn:p","additive":true}]`, `"OPTOUT"`, `"OPTIN"`,
			`"policyRule"`, `"policy":[{"uri":"urn:p"}],"policyRule"`, `{"provision":[{"type":"permit",`, `{"type":"permit",`, `elm"}}]}]}`, `elm"}}]}`, `"organization":"elm"`, `"organization":"north"`).Replace(example),
			`{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"NOT_COVERED"`},
		{"a consent of a grantor without a name does not replace the patient's", strings.Replace(with(`"organization":"elm"`, `"organization":"north"`), `"consents":[`,
			`"consents":[{"filed":"2025-07-01T00:00:00Z","verified":true,"record":"r1","networkWide":true,"resource":{"status":"active","performer":[{"reference":""}],"scope":{"coding":[{"code":"patient-privacy"}]},"policyRule":{"coding":[{"code":"OPTOUT"}]},"provision":{"class":[{"code":"note"}]}}},`, 1),
			`{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"DENY"`},
		{"names and texts with escapes", strings.Replace(with(`"organization":"elm","roles"`, `"organiz\u0061tion":"\u0065lm","roles"`), `"Organization/elm"`, `"Organization\/elm"`, 1), `{"id":"ex","release":true`},
		{"an id with escapes and what is not ASCII", with(`"id":"ex"`, `"id":"\u00e9é\n\""`), `{"id":"éé\n\"","release":true`},
		{"white space between all", strings.NewReplacer(`,`, " ,\t", `:{`, " :\r {", `[`, "[ ", `]`, " ]").Replace(example), `{"id":"ex","release":true`},
		{"a member twice", with(`"roles":["physician"]`, `"roles":["physician"],"r\u006fles":[]`), `{"id":"ex",` + refusedInput},
		{"null is absent", with(`"status":"active",`, `"status":"active","modifierExtension":null,"performer":null,`), `{"id":"ex","release":true`},
		{"null as an entry of a list", with(`"roles":["physician"]`, `"roles":[null]`), `{"id":"ex",` + refusedInput},
		{"null as an entry inside the Consent", with(`"status":"active",`, `"status":"active","performer":[null],`), `{"id":"ex",` + refusedInput},
		{"null where nothing is read", with(`"status":"active",`, `"status":"active","category":[null],"contained":[null],`), `{"id":"ex","release":true`},
		{"an extension that modifies a provision", with(`{"type":"permit","actor"`, `{"type":"permit","modifierExtension":[{"url":"urn:x"}],"actor"`), `{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"DENY"`},
		{"one that modifies what is not listed to have one", with(`"status":"active",`, `"status":"active","implicitRules":"urn:x","verification":[{"modifierExtension":[{"url":"urn:x"}]}],`), `{"id":"ex","release":true`},
		{"one that modifies an actor", with(`"actor":[{`, `"actor":[{"modifierExtension":[{"url":"urn:x"}],`), `{"id":"ex","release":true`},
		{"one that modifies a contained role", with(`"status":"active",`, `"status":"active","contained":[{"resourceType":"PractitionerRole","id":"g","modifierExtension":[{"url":"urn:x"}]}],`), `{"id":"ex","release":true`},
		{"a system may be anything", with(`"coding":[{"code":"OPTOUT"}]`, `"coding":[{"system":7,"code":"OPTOUT"}]`), `{"id":"ex","release":true`},
		{"a role without a code names nobody known", with(`"actor":[{`, `"actor":[{"role":{"coding":[{}]},`), `{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"DENY"`},
		{"a role without a coding is a recipient's", with(`"actor":[{`, `"actor":[{"role":{"text":"whoever"},`), `{"id":"ex","release":true`},
		{"now that is no instant", with(`2026-03-01T10:00:00Z`, `yesterday`), `{"id":"ex",` + refusedInput},
		{"now without an offset", with(`2026-03-01T10:00:00Z`, `2026-03-01T10:00:00`), `{"id":"ex",` + refusedInput},
		{"now at an hour no day has", with(`2026-03-01T10:00:00Z`, `2026-03-01T24:00:00Z`), `{"id":"ex",` + refusedInput},
		{"now on a day no month has", with(`2026-03-01T10:00:00Z`, `2026-02-30T10:00:00Z`), `{"id":"ex",` + refusedInput},
		{"now with a second too many", with(`2026-03-01T10:00:00Z`, `2026-03-01T10:00:60Z`), `{"id":"ex",` + refusedInput},
		{"now with an offset without a colon", with(`2026-03-01T10:00:00Z`, `2026-03-01T10:00:00+0000`), `{"id":"ex",` + refusedInput},
		{"now with an offset no zone has", with(`2026-03-01T10:00:00Z`, `2026-03-01T10:00:00+15:00`), `{"id":"ex",` + refusedInput},
		{"now with a fraction of nothing", with(`2026-03-01T10:00:00Z`, `2026-03-01T10:00:00.Z`), `{"id":"ex",` + refusedInput},
		{"now in no year", with(`2026-03-01T10:00:00Z`, `0000-03-01T10:00:00Z`), `{"id":"ex",` + refusedInput},
		{"now with something behind it", with(`2026-03-01T10:00:00Z`, `2026-03-01T10:00:00Z `), `{"id":"ex",` + refusedInput},
		{"a filing time on a day no month has", with(`"filed":"2025-06-01T00:00:00Z"`, `"filed":"2025-06-31T00:00:00Z"`), `{"id":"ex",` + refusedInput},
		{"an end that is there and empty holds the consent", with(`"policyRule":{"coding":[{"code":"OPTOUT"}]},"provision":{`, `"policyRule":{"coding":[{"code":"OPTOUT"}]},"provision":{"period":{"end":""},`),
			`{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"DENY"`},
		{"an emergency claimed a nanosecond from now", claimed("2026-03-01T10:00:00.000000001Z"), `{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"EMERGENCY_INVALID"`},
		{"an emergency with a nanosecond left", claimed("2026-03-01T06:00:00.000000001Z"), `{"id":"ex","release":true,"atoms":{"plain":"permit"},"reason":"PERMIT","layer":"patient","obligations":["AUDIT","BTG-REVIEW"`},
		{"an emergency that has just run out", claimed("2026-03-01T06:00:00Z"), `{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"EMERGENCY_INVALID"`},
		{"an emergency of 66 minutes that has just run out", `{"emergencyHours":1.1,` + claimed("2026-03-01T08:54:00Z")[1:], `{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"EMERGENCY_INVALID"`},
		{"a consent filed a nanosecond from now is not on file yet", with(`"filed":"2025-06-01T00:00:00Z"`, `"filed":"2026-03-01T10:00:00.000000001Z"`), `{"id":"ex","release":true,"atoms":{"plain":"permit"},"reason":"DEFAULT"`},
		{"a rule that begins in a nanosecond", with(`"rules":[]`, `"rules":[{"id":"x","layer":"law","effect":"FORBID","start":"2026-03-01T10:00:00.000000001Z"}]`), `{"id":"ex","release":true`},
		{"a rule with a nanosecond left", with(`"rules":[]`, `"rules":[{"id":"x","layer":"law","effect":"FORBID","end":"2026-03-01T10:00:00.000000001Z"}]`), `{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"LAW_FORBID"`},
		{"a rule that ended on the first instant there is", with(`"rules":[]`, `"rules":[{"id":"x","layer":"law","effect":"FORBID","end":"0001-01-01T00:00:00Z"}]`), `{"id":"ex","release":true`},
		{"a consent filed on the first instant there is", with(`"filed":"2025-06-01T00:00:00Z"`, `"filed":"0001-01-01T00:00:00Z"`), `{"id":"ex","release":true,"atoms":{"plain":"permit"},"reason":"PERMIT"`},
		{"a period that ended a nanosecond ago", with(`"provision":{"provision"`, `"provision":{"period":{"end":"2026-03-01T09:59:59.999999999Z"},"provision"`), `{"id":"ex","release":true,"atoms":{"plain":"permit"},"reason":"DEFAULT"`},
		{"a requirement of no kind, and an instrument without a name", strings.Replace(with(`"rules":[]`, `"rules":[{"id":"x","layer":"law","effect":"REQUIRE"}]`), `"instruments":[]`, `"instruments":[""]`, 1), `{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"LAW_REQUIRE"`},
		{"a filing time that cannot be read", with(`"filed":"2025-06-01T00:00:00Z"`, `"filed":"2025-06-01"`), `{"id":"ex",` + refusedInput},
		{"an unknown rule layer, with the document's own atoms", strings.Replace(with(`"rules":[]`, `"rules":[{"id":"x","layer":"moon","effect":"FORBID"}]`), `"sensitivity":[]`, `"sensitivity":["HIV","ETH"]`, 1),
			`{"id":"ex","release":false,"atoms":{"HIV":"deny","SUD":"deny"},"reason":"INPUT","layer":"gate","obligations":[]}`},
		{"no purpose", with(`"purposes":["TREAT"]`, `"purposes":[]`), `{"id":"ex",` + refusedInput},
		{"stale labels", with(`"labelState":"labelled"}`, `"labelState":"stale"}`), `{"id":"ex","release":false,"atoms":{"plain":"deny"},"reason":"LABEL_STALE","layer":"gate","obligations":[]}`},
		{"labelled without a list is not known to be complete", with(`"sensitivity":[],`, ``), `{"id":"ex","release":true,"atoms":{"plain":"permit"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(DecideLine([]byte(tt.in), new(Zones))); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAStreamAnswersEveryLineInOrder(t *testing.T) {
	one := strings.ReplaceAll(example, "\n", " ")
	var in, want bytes.Buffer
	for i := range 2000 {
		line := one
		switch i % 5 {
		case 1:
			line = ""
		case 2:
			line = strings.Replace(one, `"organization":"elm"`, `"organization":"north"`, 1)
		case 3:
			line = `{"id":"broken`
		}
		in.WriteString(line + "\n")
		want.Write(append(DecideLine([]byte(line), new(Zones)), '\n'))
	}
	in.WriteString(one) // without a line end
	want.Write(append(DecideLine([]byte(one), new(Zones)), '\n'))
	var got bytes.Buffer
	if err := DecideStream(&in, &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Error("a stream is not answered line by line")
	}
}

func TestALineBeyondTheBoundIsRefusedAndTheNextOneAnswered(t *testing.T) {
	one := strings.ReplaceAll(example, "\n", " ")
	in := `{"id":"` + strings.Repeat("x", maxLine) + `"}` + "\n" + one + "\n"
	var got bytes.Buffer
	if err := DecideStream(strings.NewReader(in), &got); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(got.String()), "\n")
	if len(lines) != 2 || lines[0] != `{"id":"",`+refusedInput || !strings.HasPrefix(lines[1], `{"id":"ex","release":true`) {
		t.Errorf("got %d lines: %.300s", len(lines), got.String())
	}
}

func FuzzDecideLine(f *testing.F) {
	f.Add([]byte(strings.ReplaceAll(example, "\n", " ")))
	f.Fuzz(func(t *testing.T, line []byte) {
		got := DecideLine(line, new(Zones))
		if bytes.ContainsRune(got, '\n') || !bytes.HasPrefix(got, []byte(`{"id":`)) {
			t.Errorf("not one line: %s", got)
		}
	})
}
