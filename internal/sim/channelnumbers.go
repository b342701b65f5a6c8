package sim

import (
	"strings"
	"time"
)

func (c *clerk) birth() {
	d := c.p.Birth
	switch {
	case c.errs(c.rates.BirthDigit):
		c.g.Birth = digit(c.rnd, c.g.Birth)
		c.note("birth", "digit")
	case d.Day() <= 12 && d.Day() != int(d.Month()) && c.errs(c.rates.BirthSwapped*2.5): // two dates in five can be swapped
		c.g.Birth = time.Date(d.Year(), time.Month(d.Day()), int(d.Month()), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		c.note("birth", "day and month")
	case c.errs(c.rates.BirthYear):
		if y := d.AddDate(pick(c.rnd, []int{-10, -1, 1, 10}), 0, 0); y.Before(c.on) {
			c.g.Birth = y.Format(time.DateOnly)
			c.note("birth", "year")
		}
	case c.errs(c.rates.BirthDefault) || (c.p.foreign || age(c.p.Person) > 85) && chance(c.rnd, c.rates.BirthElder):
		c.g.Birth = d.Format("2006") + "-01-01"
		c.note("birth", "default")
	case c.errs(c.rates.BirthPlaceholder):
		c.g.Birth = c.site.noBirth
		c.note("birth", "placeholder")
	case c.errs(c.rates.BirthMissing):
		c.g.Birth = ""
		c.note("birth", "missing")
	}
}

func (c *clerk) sex() {
	if c.errs(c.rates.SexWrong) {
		c.g.Sex = other(c.g.Sex)
		c.note("sex", "wrong")
	} else if c.errs(c.rates.SexUnknown) {
		c.g.Sex = "unknown"
		c.note("sex", "unknown")
	}
}

// ssn writes the social security number. A newborn has none: where it is asked for, the mother's is written.
func (c *clerk) ssn(born bool) {
	if born {
		c.g.SSN = ""
		if c.p.mother != nil && c.site.ssn == "full" && chance(c.rnd, c.rates.SSNMother) && !c.p.mother.Withholds {
			c.g.SSN = c.p.mother.SSN
			c.note("ssn", "mother's")
		}
		return
	}
	near := c.p.spouse
	if near == nil {
		near = c.p.mother
	}
	switch {
	case c.site.ssn == "never" || c.p.Withholds || chance(c.rnd, c.rates.SSNMissing): // a third of all, and mostly the same people
		c.g.SSN = ""
		c.note("ssn", "missing")
		return
	case c.p.lender != nil && chance(c.rnd, c.rates.SSNLent):
		c.g.SSN = c.p.lender.SSN
		c.note("ssn", "lent")
	case near != nil && c.errs(c.rates.SSNRelative):
		c.g.SSN = near.SSN
		c.note("ssn", "relative's")
	case c.errs(c.rates.SSNDigit):
		c.g.SSN = digit(c.rnd, c.p.SSN)
		c.note("ssn", "digit")
	case c.errs(c.rates.SSNPlaceholder):
		c.g.SSN = pick(c.rnd, []string{"999-99-9999", "000-00-0000", "111-11-1111", "123-45-6789"})
		c.note("ssn", "placeholder")
		return
	}
	if c.site.ssn == "last4" || chance(c.rnd, c.rates.SSNLast4) {
		c.g.SSN = c.g.SSN[len(c.g.SSN)-4:]
		c.note("ssn", "last four")
	}
}

func (c *clerk) contacts() {
	home := then(c.p.homes, c.on)
	switch {
	case chance(c.rnd, c.rates.PhoneMissing):
		c.g.Phone = ""
		c.note("phone", "missing")
	case chance(c.rnd, c.rates.PhoneHousehold):
		c.g.Phone = home.landline
		c.note("phone", "household")
	case c.p.formerPhone(c.on) != "" && chance(c.rnd, c.rates.PhonePrevious):
		c.g.Phone = c.p.formerPhone(c.on)
		c.note("phone", "previous")
	case c.errs(c.rates.PhoneFacility):
		c.g.Phone = c.site.desks // the clerk's own line
		c.note("phone", "facility")
	case c.errs(c.rates.PhonePlaceholder):
		c.g.Phone = pick(c.rnd, []string{"999-999-9999", "000-000-0000", "555-555-5555", "410-555-1212"})
		c.note("phone", "placeholder")
	case c.errs(c.rates.PhoneDigit):
		c.g.Phone = digit(c.rnd, c.g.Phone)
		c.note("phone", "digit")
	}
	if chance(c.rnd, c.rates.EmailMissing*c.site.noEmail) {
		c.g.Email = ""
		c.note("email", "missing")
	} else if c.errs(c.rates.EmailJunk) {
		c.g.Email = pick(c.rnd, []string{"none@none.com", "noemail@noemail.com", "declined@declined.com", "na@na.com"})
		c.note("email", "junk")
	} else if c.errs(c.rates.EmailMisspelt) {
		c.g.Email = misspell(c.rnd, c.g.Email)
		c.note("email", "misspelt")
	}
	switch {
	case len(c.p.records) > 0 && c.errs(c.rates.InsuranceMRN): // the number another site knows the patient by
		payer, _, _ := strings.Cut(c.p.Insurance, "|")
		c.g.Insurance = payer + "|" + c.p.records[0].local
		c.note("insurance", "another site's number")
	case chance(c.rnd, c.rates.InsuranceMissing*c.site.noPayer):
	case c.p.lender != nil && chance(c.rnd, c.rates.InsuranceLent):
		c.g.Insurance = c.p.lender.Insurance
		c.note("insurance", "lent")
	default:
		c.g.Insurance = c.p.Insurance
	}
}

func (c *clerk) place() {
	switch {
	case chance(c.rnd, c.rates.AddressMissing):
		c.g.Address = Address{}
		c.note("address", "missing")
		return
	case chance(c.rnd, c.rates.AddressStale):
		if old := c.p.before(c.on); old != c.g.Address {
			c.g.Address = old
			c.note("address", "stale")
		}
	case c.errs(c.rates.AddressSite):
		c.g.Address.Line = c.site.OrgName
		c.note("address", "institution")
	case chance(c.rnd, c.rates.AddressMail):
		c.g.Address.Line = "PO Box " + digits(c.p.Household%9000+100)
		c.note("address", "mailing address")
	case then(c.p.homes, c.on).id == -1 && chance(c.rnd, c.rates.AddressUnhoused): // a shelter is no home
		c.g.Address.Line = pick(c.rnd, []string{"HOMELESS", "UNDOMICILED", "General Delivery"})
		c.note("address", "placeholder")
	}
	switch c.site.streets {
	case "short":
		c.g.Address.Line = shortStreet.Replace(c.g.Address.Line)
	case "mixed":
		if chance(c.rnd, c.rates.AddressVariant) {
			c.g.Address.Line = abbreviate.Replace(c.g.Address.Line)
		}
	}
	if c.errs(c.rates.AddressMisspelt) {
		c.g.Address.Line = misspell(c.rnd, c.g.Address.Line)
		c.note("address", "misspelt")
	}
	if c.errs(c.rates.AddressPostal) {
		c.g.Address.ZIP = digit(c.rnd, c.g.Address.ZIP)
		c.note("address", "postal code")
	}
}

// unknown makes the record one of a patient nobody could ask.
func (c *clerk) unknown() {
	c.g.Given, c.g.Middle, c.g.Family, c.g.Suffix, c.g.Maiden = "John", "", "Doe", "", ""
	if c.p.Sex == "female" {
		c.g.Given = "Jane"
	}
	c.g.Birth, c.g.SSN, c.g.Phone, c.g.Email, c.g.Insurance, c.g.Address = "1901-01-01", "999-99-9999", c.site.desks, "", "", Address{Line: "Unknown"}
	c.g.MotherMaiden, c.g.Multiple, c.g.Order = "", false, 0
	c.g.Errors = []Departure{{"person", "unidentified"}}
}

var abbreviate = strings.NewReplacer("Street", "St", "Avenue", "Ave", "Road", "Rd", "Drive", "Dr", "Lane", "Ln",
	"Court", "Ct", "Place", "Pl", "Boulevard", "Blvd", "Circle", "Cir", "Terrace", "Ter", "Apt ", "#")

var shortStreet = strings.NewReplacer("Street", "St", "Avenue", "Ave", "Road", "Rd", "Drive", "Dr", "Lane", "Ln",
	"Court", "Ct", "Place", "Pl", "Boulevard", "Blvd", "Circle", "Cir", "Terrace", "Ter", "Apt ", "Unit ",
	"North ", "N ", "South ", "S ", "East ", "E ", "West ", "W ")
