package mpicsv

import (
	"strconv"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// Systems of the identifiers in a linkage file.
const (
	systemSSN    = "http://hl7.org/fhir/sid/us-ssn"
	systemNumber = "urn:linkage:number:" // a set's own number in the ssn column, by its length
	systemMRN    = "urn:linkage:mrn:"    // + source
	systemExtra  = "urn:linkage:extra:"  // + key
	systemPlan   = "urn:linkage:plan:"   // + name of an insurance plan
)

// demographics turns the current row into demographics. Nothing is folded or dropped here.
func (r *rows) demographics() mpi.Demographics {
	extra := map[string]string{}
	for part := range strings.SplitSeq(r.at("extra"), "|") {
		if k, v, ok := strings.Cut(part, "="); ok {
			extra[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	d := mpi.Demographics{Birth: dateOf(r.at("birth_date"), r.dayFirst[r.at("source")]), Sex: mpi.Sex(r.at("sex")), MothersMaidenName: extra["mother_maiden"]}
	d.Names = r.names(extra)
	if g, f := extra["guardian_given"], extra["guardian_family"]; g+f != "" {
		d.Guardians = []mpi.Name{{Given: words(g), Family: f}}
	}
	if ssn := r.at("ssn"); ssn != "" {
		switch n := countDigits(ssn); {
		case n == 9 || n == 4:
			d.Identifiers = append(d.Identifiers, mpi.Identifier{Identifier: hie.Identifier{System: systemSSN, Value: ssn}})
		default: // a register's own number: its length is part of what it is only roughly, since digits get lost
			d.Identifiers = append(d.Identifiers, mpi.Identifier{Identifier: hie.Identifier{System: systemNumber, Value: ssn}})
		}
	}
	if mrn := r.at("mrn"); mrn != "" && r.at("source") != "" {
		d.Identifiers = append(d.Identifiers, mpi.Identifier{Identifier: hie.Identifier{System: systemMRN + r.at("source"), Value: mrn}, Type: "MR"})
	}
	if m := extra["medicaid"]; m != "" {
		d.Identifiers = append(d.Identifiers, mpi.Identifier{Identifier: hie.Identifier{System: systemExtra + "medicaid", Value: m}})
	}
	if plan, member, ok := strings.Cut(extra["insurance"], ":"); ok {
		d.Identifiers = append(d.Identifiers, mpi.Identifier{Identifier: hie.Identifier{System: systemPlan + plan, Value: member}, Type: "MB"})
	}
	for _, p := range [...]string{r.at("phone"), extra["phone_2"]} {
		if p != "" {
			d.Telecoms = append(d.Telecoms, mpi.Telecom{System: "phone", Value: p})
		}
	}
	for _, m := range [...]string{r.at("email"), extra["email_2"]} {
		if m != "" {
			d.Telecoms = append(d.Telecoms, mpi.Telecom{System: "email", Value: m})
		}
	}
	a := mpi.Address{City: r.at("city"), State: r.at("state"), PostalCode: r.at("postal_code")}
	if s := r.at("street"); s != "" || extra["address_2"] != "" {
		a.Lines = append(a.Lines, s)
		if extra["address_2"] != "" {
			a.Lines = append(a.Lines, extra["address_2"])
		}
	}
	if len(a.Lines) > 0 || a.City+a.State+a.PostalCode != "" {
		d.Addresses = []mpi.Address{a}
	}
	d.Multiple = multiple(extra["multiple_birth"], extra["birth_order"])
	return d
}

// names returns the row's name, and aliases and former names from extra. Words of full_name that stand nowhere else
// are middle names.
func (r *rows) names(extra map[string]string) []mpi.Name {
	given, middle, family := r.at("given"), r.at("middle"), r.at("family")
	n := mpi.Name{Given: append(words(given), words(middle)...), Family: family}
	if s := r.at("suffix"); s != "" {
		n.Suffix = []string{s}
	}
	if full := extra["full_name"]; full != "" {
		have := strings.ToLower(" " + given + " " + middle + " " + family + " ")
		if strings.TrimSpace(have) == "" {
			n.Text = full
		} else {
			for _, w := range words(full) {
				if !strings.Contains(have, " "+strings.ToLower(w)+" ") && given != "" {
					n.Given = append(n.Given, w)
				}
			}
		}
	}
	var out []mpi.Name
	if len(n.Given) > 0 || n.Family+n.Text != "" || n.Suffix != nil {
		out = append(out, n)
	}
	for _, key := range [...]string{"alias", "nickname"} {
		if a := extra[key]; a != "" {
			out = append(out, mpi.Name{Use: "nickname", Given: words(a)})
		}
	}
	for _, key := range [...]string{"maiden", "maiden_name", "previous_family"} {
		if a := extra[key]; a != "" {
			out = append(out, mpi.Name{Use: "maiden", Family: a})
		}
	}
	return out
}

func words(s string) []string { return strings.Fields(s) }

func countDigits(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
}

// multiple reads how many were born (a number, or yes and no, which a 1 may be either of) and which of them this is.
func multiple(many, order string) mpi.MultipleBirth {
	n, err := strconv.Atoi(order)
	if err != nil {
		n = 0
	}
	switch strings.ToLower(many) {
	case "", "1", "0", "n", "no", "false":
		// a single birth, or the first or a later one of several: the order is the more specific
		return mpi.MultipleBirth{Known: n > 0, Multiple: n > 1, Order: n}
	}
	return mpi.MultipleBirth{Known: true, Multiple: true, Order: n}
}
