package directory

import "strings"

// findings are what each finding says and, where something is to be done, how to do it.
var findings = map[string][2]string{
	"agreement.none":  {"No agreement is recorded.", "Record what was signed: kind, who signed, the days it holds, and the SHA-256 of the document."},
	"agreement.ahead": {"The agreement holds from {from} on.", "Wait until then, or record the one that holds now."},
	"agreement.ended": {"The agreement ended on {until}.", "Record the one that follows it."},
	"agreement.held":  {"{kind}, signed by {by}, from {from} until {until}, document {hash}.", ""},

	"contacts.none": {"There is no {role} contact.", "Add the {role} contact: a name, and an e-mail address or, for the one on call, a telephone number that is answered day and night."},
	"contacts.held": {"The {role} contact is {name}.", ""},

	"keys.client.none":   {"The organisation has no active client with a key.", "Register its client with its public key (concord client apply)."},
	"keys.client":        {"{clients} active clients with {keys} keys; keys have no end of their own.", ""},
	"keys.endpoint.none": {"The site has no endpoint.", "Add its FHIR address to the directory (concord site apply)."},
	"keys.loopback":      {"The endpoint is on this machine and speaks plain HTTP: no certificate is asked for.", ""},
	"keys.plain":         {"The endpoint does not speak TLS.", "Have the site serve https, and change the address in the directory."},
	"keys.unmeasured":    {"The endpoint's certificate was not seen yet.", "Try the connection."},
	"keys.ending":        {"The endpoint's certificate ends in {days} days.", "Have the site renew it: at least {least} days must be left."},
	"keys.certificate":   {"The endpoint's certificate is good for {days} more days.", ""},

	"connect.unmeasured": {"The endpoint was not asked yet.", "Try the connection."},
	"connect.failed":     {"The endpoint did not answer: {reason}.", "See that the address is right, that the site's firewall lets the exchange in, and that its credentials are set; then try again."},
	"connect.old":        {"The endpoint answered more than {days} days ago.", "Try the connection again."},
	"connect.version":    {"The endpoint says it speaks FHIR {fhir}.", "The exchange speaks R4: have the site give its R4 address."},
	"connect.answered":   {"{software} answered with FHIR {fhir} in {ms} ms.", ""},

	"publish.live":     {"The site does not publish: it is asked when somebody asks.", ""},
	"publish.accepted": {"{n} of {least} test references were accepted.", "Have the site publish test references until {least} are accepted."},
	"publish.refused":  {"{n} were refused: {reason}.", "Have the site put this right and send them again."},

	"quality.few":         {"{n} of {least} test patients are registered.", "Have the site register test patients until there are {least}."},
	"quality.filled":      {"{field}: {percent} % of the records have it.", "At least {least} % must: have the site send the field."},
	"quality.placeholder": {"{field}: {percent} % of the records have what a form wanted.", "At most {most} % may: have the site leave the field out where nothing is known."},
	"quality.reach":       {"{percent} % of the records have an address or a telephone number.", "At least {least} % must: have the site send one of them."},
	"quality.duplicates":  {"{percent} % of the records are second ones of one person.", "At most {most} % may: have the site merge them."},
	"quality.disputed":    {"{n} records look like somebody else's than before.", "Have the site say what happened to them; a steward settles each."},

	"consent.default.none":      {"No default says what holds for treatment when a patient has said nothing.", "Add a default for the site, its jurisdiction or the network (concord site apply)."},
	"consent.default":           {"Without a directive, treatment is: {rule}, of {of}.", ""},
	"consent.roles.none":        {"No role may claim an emergency towards the site.", "Name its privilegedRoles in the directory (concord site apply)."},
	"consent.roles":             {"An emergency may be claimed by: {roles}.", ""},
	"consent.labelled":          {"The site labels its documents' sensitivity.", ""},
	"consent.unlabelled":        {"The site does not label; its documents count as unlabelled.", ""},
	"consent.jurisdiction.none": {"The site is under no jurisdiction.", "Give it or its organisation one (concord site apply)."},
	"consent.law.none":          {"No law pack in force speaks of {jurisdiction}.", "Put one in force (concord policy)."},
	"consent.law":               {"In force for {jurisdiction}: {packs}.", ""},
	"consent.law.athand":        {"The pack {pack} of {jurisdiction} is at hand and not in force.", "Put it in force (concord policy)."},
	"consent.regime.none":       {"No pack in force speaks of the regime {regime}.", "Put one in force (concord policy) before anything of it may be shown."},

	"query.in.none":    {"No marked query from the site was answered yet.", "Have the site search for a patient of its own with an X-Request-Id that begins with {mark}."},
	"query.in.old":     {"The site's last marked query is more than {days} days old.", "Have the site search again with an X-Request-Id that begins with {mark}."},
	"query.in":         {"The site's query {request} was answered.", ""},
	"query.out.none":   {"The site was not asked yet.", "Try the connection: the site is asked for what it publishes, or for a patient nobody has."},
	"query.out.failed": {"The site did not answer our query: {reason}.", "See the site's log under the time given; then try again."},
	"query.out.old":    {"The site answered our query more than {days} days ago.", "Try the connection again."},
	"query.out":        {"The site answered our query ({detail}) in {ms} ms.", ""},

	"alert.sent.none":   {"No test notice was sent yet.", "Send one to the technical contact."},
	"alert.sent.failed": {"The test notice could not be handed over: {reason}.", "See that the technical contact's address is right and that the node has a mail server (--smtp-addr)."},
	"alert.sent.old":    {"The last test notice is more than {days} days old.", "Send another."},
	"alert.sent":        {"The mail server took the test notice for the {detail} contact in {ms} ms.", ""},
}

// Text returns what f says and, unless it passes, how to put it right, both in English.
func (f Finding) Text() (said, fix string) {
	t := findings[f.Code]
	pairs := make([]string, 0, 2*len(f.Values))
	for name, value := range f.Values {
		pairs = append(pairs, "{"+name+"}", value)
	}
	r := strings.NewReplacer(pairs...)
	if f.Result == Pass {
		return r.Replace(t[0]), ""
	}
	return r.Replace(t[0]), r.Replace(t[1])
}

// FindingCodes returns the codes of all findings there can be, in no order.
func FindingCodes() []string {
	out := make([]string, 0, len(findings))
	for code := range findings {
		out = append(out, code)
	}
	return out
}
