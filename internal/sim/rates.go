package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// Rates say how often a site's clerks depart from the truth: each is a share, 0 to 1, of the registrations where it
// can happen, at a site of average care ([Site] has its own factor). They are named field:kind, as truth.csv names
// what is wrong with a record. Marriages, moves and new numbers are not among them: those are lived.
//
// Source: spec simulator section 2, point 4, table.
type Rates struct {
	GivenNickname    float64 `rate:"given:nickname"` // of all people; only who has one can go by it
	GivenMisspelt    float64 `rate:"given:misspelt"`
	GivenInitial     float64 `rate:"given:initial"`
	GivenMiddle      float64 `rate:"given:middle name"`         // the middle name is used as given name
	GivenSwapped     float64 `rate:"given:swapped with family"` // by mistake, not by custom
	GivenSpelling    float64 `rate:"given:spelling"`            // of names that come from another script: not as the person spells it
	GivenPlaceholder float64 `rate:"given:placeholder"`         // "Unknown" and the like
	GivenNewborn     float64 `rate:"given:newborn"`             // of births in a hospital: registered before there is a name
	MiddleMissing    float64 `rate:"middle:missing"`            // on average over the sites
	MiddleInitial    float64 `rate:"middle:initial"`            // of all registrations
	MiddleOther      float64 `rate:"middle:other"`              // another name altogether
	FamilyMaiden     float64 `rate:"family:maiden"`             // of those whose old name is known: still goes by it
	FamilyHalf       float64 `rate:"family:half"`               // of double names: half of it where the site writes both
	FamilyMisspelt   float64 `rate:"family:misspelt"`
	FamilySpelling   float64 `rate:"family:spelling"`        // as given:spelling
	FamilyParticle   float64 `rate:"family:particle"`        // of names with a particle, apostrophe or hyphen: it or the space changes
	FamilyGlued      float64 `rate:"family:suffix glued on"` // of those with a suffix
	SuffixMissing    float64 `rate:"suffix:missing"`         // of those with a suffix
	BirthDigit       float64 `rate:"birth:digit"`
	BirthSwapped     float64 `rate:"birth:day and month"`               // of all dates; two in five can be
	BirthYear        float64 `rate:"birth:year"`                        // one or ten years off
	BirthDefault     float64 `rate:"birth:default"`                     // the first of January of the right year
	BirthElder       float64 `rate:"birth:default of the foreign-born"` // and of those above 85: as birth:default, besides it
	BirthPlaceholder float64 `rate:"birth:placeholder"`                 // the date a site types for want of one
	BirthMissing     float64 `rate:"birth:missing"`
	SexChanged       float64 `rate:"sex:changed"` // of adults: another marker than before, once in a life
	SexWrong         float64 `rate:"sex:wrong"`
	SexUnknown       float64 `rate:"sex:unknown"`
	SSNMissing       float64 `rate:"ssn:missing"`   // where the site asks and the person does not withhold it
	SSNLast4         float64 `rate:"ssn:last four"` // where the site takes the whole
	SSNDigit         float64 `rate:"ssn:digit"`
	SSNRelative      float64 `rate:"ssn:relative's"` // of those with a spouse or a mother on file
	SSNMother        float64 `rate:"ssn:mother's"`   // of newborns
	SSNPlaceholder   float64 `rate:"ssn:placeholder"`
	SSNLent          float64 `rate:"ssn:lent"` // of those who use another's card: how often
	PhoneMissing     float64 `rate:"phone:missing"`
	PhoneHousehold   float64 `rate:"phone:household"` // the household's line instead of the person's own
	PhonePrevious    float64 `rate:"phone:previous"`  // of those who had another number: it is still given
	PhoneFacility    float64 `rate:"phone:facility"`  // the clerk's own line
	PhonePlaceholder float64 `rate:"phone:placeholder"`
	PhoneDigit       float64 `rate:"phone:digit"`
	EmailMissing     float64 `rate:"email:missing"` // on average over the sites
	EmailJunk        float64 `rate:"email:junk"`
	EmailMisspelt    float64 `rate:"email:misspelt"`
	InsuranceMissing float64 `rate:"insurance:missing"`               // on average over the sites
	InsuranceLent    float64 `rate:"insurance:lent"`                  // as ssn:lent
	InsuranceMRN     float64 `rate:"insurance:another site's number"` // the identifier of another authority in the payer's field
	AddressMissing   float64 `rate:"address:missing"`
	AddressStale     float64 `rate:"address:stale"`           // the one before, though moved since; besides what a last visit leaves behind
	AddressSite      float64 `rate:"address:institution"`     // the site's own name
	AddressMail      float64 `rate:"address:mailing address"` // a box, where the mail goes and nobody lives
	AddressUnhoused  float64 `rate:"address:placeholder"`     // of those in a shelter: "HOMELESS" and the like
	AddressVariant   float64 `rate:"address:variant"`         // abbreviated, at sites that do both
	AddressMisspelt  float64 `rate:"address:misspelt"`
	AddressPostal    float64 `rate:"address:postal code"` // one digit
	Unidentified     float64 `rate:"person:unidentified"` // at hospitals, shelters and jails: a patient nobody could ask
}

// DefaultRates returns the rates of the table.
func DefaultRates() Rates {
	return Rates{
		GivenNickname: .06, GivenMisspelt: .03, GivenInitial: .01, GivenMiddle: .015, GivenSwapped: .005, GivenSpelling: .55, GivenPlaceholder: .001,
		GivenNewborn:  .7,
		MiddleMissing: .48, MiddleInitial: .25, MiddleOther: .01,
		FamilyMaiden: .12, FamilyHalf: .25, FamilyMisspelt: .02, FamilySpelling: .5, FamilyParticle: .2, FamilyGlued: .01, SuffixMissing: .80,
		BirthDigit: .008, BirthSwapped: .004, BirthYear: .004, BirthDefault: .002, BirthElder: .01, BirthPlaceholder: .001, BirthMissing: .01,
		SexChanged: .001, SexWrong: .003, SexUnknown: .005,
		SSNMissing: .12, SSNLast4: .03, SSNDigit: .015, SSNRelative: .01, SSNMother: .3, SSNPlaceholder: .005, SSNLent: .4,
		PhoneMissing: .10, PhoneHousehold: .25, PhonePrevious: .30, PhoneFacility: .010, PhonePlaceholder: .005, PhoneDigit: .01,
		EmailMissing: .54, EmailJunk: .03, EmailMisspelt: .02,
		InsuranceMissing: .50, InsuranceLent: .4, InsuranceMRN: .002,
		AddressMissing: .05, AddressStale: .05, AddressSite: .004, AddressMail: .05, AddressUnhoused: .3, AddressVariant: .6, AddressMisspelt: .03,
		AddressPostal: .006,
		Unidentified:  .002,
	}
}

// each calls f with the name of every rate and where it is kept.
func (r *Rates) each(f func(name string, share *float64)) {
	fields := reflect.ValueOf(r).Elem()
	for i := range fields.NumField() {
		f(fields.Type().Field(i).Tag.Get("rate"), fields.Field(i).Addr().Interface().(*float64))
	}
}

// MarshalJSON returns the rates by name, as [ReadRates] reads them.
func (r Rates) MarshalJSON() ([]byte, error) {
	byName := map[string]float64{}
	r.each(func(name string, share *float64) { byName[name] = *share })
	return json.Marshal(byName)
}

// ReadRates reads a JSON object of rates by name; those it does not name are as in [DefaultRates]. Errors name the
// rate that is none or lies outside 0 to 1.
func ReadRates(in io.Reader) (Rates, error) {
	var given map[string]float64
	d := json.NewDecoder(in)
	if err := d.Decode(&given); err != nil {
		return Rates{}, fmt.Errorf("sim: rates: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Rates{}, errors.New("sim: rates: more than one JSON object")
	}
	out := DefaultRates()
	var err error
	out.each(func(name string, share *float64) {
		x, named := given[name]
		delete(given, name)
		if named && (x < 0 || x > 1) {
			err = fmt.Errorf("sim: rates: %q is %v, want 0 to 1", name, x)
		} else if named {
			*share = x
		}
	})
	for name := range given {
		return Rates{}, fmt.Errorf("sim: rates: there is no rate %q", name)
	}
	if err != nil {
		return Rates{}, err
	}
	return out, nil
}
