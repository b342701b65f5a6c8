package consentfhir

// examples are Consents in the manner of HL7's R4 examples and of LEAP's tests, written anew: each says one thing those do, with the
// actors and codes of the made-up requests. Some of it cannot be said here, and is held.
//
// Source: FHIR R4 Consent, examples (basic, Out, Emergency, notThis, notOrg, notThem, notAuthor, notTime, grantor, signature); LEAP CDS,
// consent fixtures (their names).
func examples() (out [][]byte) {
	const (
		optIn  = `"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]}`
		optOut = `"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTOUT"}]}`
		to     = `"actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},"reference":{"reference":"Organization/ex-organization"}}]`
		them   = `"actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Practitioner/ex-practitioner"}}]`
		author = `"actor":[{"role":{"coding":[{"code":"AUT"}]},"reference":{"reference":"Organization/ex-organization"}}]`
		source = `"actor":[{"role":{"coding":[{"code":"CST"}]},"reference":{"reference":"Organization/ex-organization"}}]`
	)
	for _, x := range []struct{ header, rule, provision string }{
		{``, optIn, `{"period":{"start":"1964-01-01","end":"2026-01-01"}}`}, // basic
		{``, optOut, ``}, // Out
		{``, optOut, `{"provision":[{"type":"permit","purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"ETREAT"}]}]}`},                                         // Emergency
		{``, optIn, `{"provision":[{"type":"deny","data":[{"meaning":"related","reference":{"reference":"Task/3"}}]}]}`},                                                                      // notThis
		{``, optIn, `{"provision":[{"type":"deny",` + to + `}]}`},                                                                                                                             // notOrg
		{``, optIn, `{"provision":[{"type":"deny",` + them + `,"action":[{"coding":[{"code":"access"}]},{"coding":[{"code":"correct"}]}]}]}`},                                                 // notThem
		{``, optIn, `{"provision":[{"type":"deny",` + author + `}]}`},                                                                                                                         // notAuthor
		{``, optIn, `{"provision":[{"type":"deny","dataPeriod":{"start":"2022-01-01","end":"2022-02-01"}}]}`},                                                                                 // notTime
		{`"performer":[{"reference":"RelatedPerson/f001"}],`, optOut, `{"type":"deny"}`},                                                                                                      // grantor
		{`"verification":[{"verified":true,"verifiedWith":{"reference":"Patient/p"},"verificationDate":"2022-03-01"}],`, optIn, `{"type":"permit"}`},                                          // signature
		{`"organization":[{"reference":"Organization/ex-organization"}],`, optIn, `{"type":"permit","purpose":[{"code":"TREAT"}]}`},                                                           // of one organisation
		{``, optOut, `{"type":"deny","provision":[{"type":"permit",` + to + `,"purpose":[{"code":"TREAT"}]}]}`},                                                                               // LEAP: opt-out but for one
		{``, optOut, `{"type":"deny","provision":[{"type":"deny",` + to + `}]}`},                                                                                                              // LEAP: a nested rule of the same type
		{``, optIn, `{"type":"permit","provision":[{"type":"deny","securityLabel":[{"code":"R"}]}]}`},                                                                                         // LEAP: a label
		{``, optIn, `{"type":"permit","provision":[{"type":"deny","class":[{"system":"http://hl7.org/fhir/resource-types","code":"lab"}]}]}`},                                                 // LEAP: a class
		{``, optIn, `{"type":"permit",` + source + `,"provision":[{"type":"deny","code":[{"coding":[{"code":"lab"}]}]}]}`},                                                                    // LEAP: a code, of one source
		{``, optIn, `{"type":"permit","period":{"start":"2024-01-01"},"purpose":[{"code":"HRESCH"},{"code":"FooBar"}]}`},                                                                      // LEAP: purposes, from a day on
		{``, optIn, `{"type":"permit","provision":[{"type":"deny","securityLabel":[{"code":"SUD"}],"provision":[{"type":"permit",` + to + `,"provision":[{"type":"deny",` + them + `}]}]}]}`}, // four deep
	} {
		rule := x.rule
		if x.provision != "" {
			rule += `,"provision":` + x.provision
		}
		for _, status := range []string{"active", "inactive"} {
			out = append(out, []byte(`{"resourceType":"Consent","status":"`+status+`","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},`+
				`"category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/p","display":"P. van de Heuvel"},"dateTime":"2022-02-18",`+
				`"sourceAttachment":{"title":"The terms of the consent in lawyer speak."},`+x.header+rule+`}`))
		}
	}
	return out
}
