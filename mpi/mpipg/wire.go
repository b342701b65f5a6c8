package mpipg

import (
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// The stored form of demographics: short names, nothing empty. A date is [year, month, day] as far as known.
type (
	wireDemographics struct {
		Names       []wireName       `json:"n,omitempty"`
		Birth       wireDate         `json:"b,omitempty"`
		Sex         string           `json:"s,omitempty"`
		Addresses   []wireAddress    `json:"a,omitempty"`
		Telecoms    []wireTelecom    `json:"t,omitempty"`
		Identifiers []wireIdentifier `json:"i,omitempty"`
		Multiple    *wireMultiple    `json:"m,omitempty"`
		Maiden      string           `json:"mm,omitempty"`
		Deceased    *wireDeceased    `json:"d,omitempty"`
		Guardians   []wireName       `json:"g,omitempty"`
	}
	wireDate []int
	wireName struct {
		Use    string      `json:"u,omitempty"`
		Text   string      `json:"x,omitempty"`
		Family string      `json:"f,omitempty"`
		Given  []string    `json:"g,omitempty"`
		Prefix []string    `json:"p,omitempty"`
		Suffix []string    `json:"sx,omitempty"`
		Period *wirePeriod `json:"pd,omitempty"`
	}
	wireAddress struct {
		Use      string      `json:"u,omitempty"`
		Text     string      `json:"x,omitempty"`
		Lines    []string    `json:"l,omitempty"`
		City     string      `json:"c,omitempty"`
		District string      `json:"ds,omitempty"`
		State    string      `json:"s,omitempty"`
		Postal   string      `json:"p,omitempty"`
		Country  string      `json:"ct,omitempty"`
		Period   *wirePeriod `json:"pd,omitempty"`
	}
	wireTelecom struct {
		System string      `json:"s,omitempty"`
		Value  string      `json:"v,omitempty"`
		Use    string      `json:"u,omitempty"`
		Period *wirePeriod `json:"pd,omitempty"`
	}
	wireIdentifier struct {
		System string      `json:"s,omitempty"`
		Value  string      `json:"v,omitempty"`
		Type   string      `json:"t,omitempty"`
		Use    string      `json:"u,omitempty"`
		Period *wirePeriod `json:"pd,omitempty"`
	}
	wirePeriod struct {
		Start wireDate `json:"s,omitempty"`
		End   wireDate `json:"e,omitempty"`
	}
	wireMultiple struct {
		Multiple bool `json:"m,omitempty"`
		Order    int  `json:"o,omitempty"`
	}
	wireDeceased struct {
		Dead bool     `json:"d,omitempty"`
		On   wireDate `json:"o,omitempty"`
	}
)

func toWire(d mpi.Demographics) wireDemographics {
	w := wireDemographics{Birth: dateOut(d.Birth), Sex: string(d.Sex), Maiden: d.MothersMaidenName}
	for _, n := range d.Names {
		w.Names = append(w.Names, nameOut(n))
	}
	for _, n := range d.Guardians {
		w.Guardians = append(w.Guardians, nameOut(n))
	}
	for _, a := range d.Addresses {
		w.Addresses = append(w.Addresses, wireAddress{a.Use, a.Text, a.Lines, a.City, a.District, a.State, a.PostalCode, a.Country, periodOut(a.Period)})
	}
	for _, t := range d.Telecoms {
		w.Telecoms = append(w.Telecoms, wireTelecom{t.System, t.Value, t.Use, periodOut(t.Period)})
	}
	for _, i := range d.Identifiers {
		w.Identifiers = append(w.Identifiers, wireIdentifier{i.System, i.Value, i.Type, i.Use, periodOut(i.Period)})
	}
	if d.Multiple.Known {
		w.Multiple = &wireMultiple{d.Multiple.Multiple, d.Multiple.Order}
	}
	if d.Deceased.Known {
		w.Deceased = &wireDeceased{d.Deceased.Dead, dateOut(d.Deceased.On)}
	}
	return w
}

func (w wireDemographics) demographics() mpi.Demographics {
	d := mpi.Demographics{Birth: dateIn(w.Birth), Sex: mpi.Sex(w.Sex), MothersMaidenName: w.Maiden}
	for _, n := range w.Names {
		d.Names = append(d.Names, n.name())
	}
	for _, n := range w.Guardians {
		d.Guardians = append(d.Guardians, n.name())
	}
	for _, a := range w.Addresses {
		d.Addresses = append(d.Addresses, mpi.Address{Use: a.Use, Text: a.Text, Lines: a.Lines, City: a.City, District: a.District,
			State: a.State, PostalCode: a.Postal, Country: a.Country, Period: periodIn(a.Period)})
	}
	for _, t := range w.Telecoms {
		d.Telecoms = append(d.Telecoms, mpi.Telecom{System: t.System, Value: t.Value, Use: t.Use, Period: periodIn(t.Period)})
	}
	for _, i := range w.Identifiers {
		d.Identifiers = append(d.Identifiers, mpi.Identifier{Identifier: hie.Identifier{System: i.System, Value: i.Value}, Type: i.Type,
			Use: i.Use, Period: periodIn(i.Period)})
	}
	if w.Multiple != nil {
		d.Multiple = mpi.MultipleBirth{Known: true, Multiple: w.Multiple.Multiple, Order: w.Multiple.Order}
	}
	if w.Deceased != nil {
		d.Deceased = mpi.Deceased{Known: true, Dead: w.Deceased.Dead, On: dateIn(w.Deceased.On)}
	}
	return d
}

func nameOut(n mpi.Name) wireName {
	return wireName{n.Use, n.Text, n.Family, n.Given, n.Prefix, n.Suffix, periodOut(n.Period)}
}

func (n wireName) name() mpi.Name {
	return mpi.Name{Use: n.Use, Text: n.Text, Given: n.Given, Family: n.Family, Prefix: n.Prefix, Suffix: n.Suffix, Period: periodIn(n.Period)}
}

func dateOut(d mpi.Date) wireDate {
	switch {
	case d.Year == 0:
		return nil
	case d.Month == 0:
		return wireDate{d.Year}
	case d.Day == 0:
		return wireDate{d.Year, d.Month}
	}
	return wireDate{d.Year, d.Month, d.Day}
}

func dateIn(w wireDate) mpi.Date {
	var d mpi.Date
	for i, to := range []*int{&d.Year, &d.Month, &d.Day} {
		if i < len(w) {
			*to = w[i]
		}
	}
	return d
}

func periodOut(p mpi.Period) *wirePeriod {
	if p.Start.IsZero() && p.End.IsZero() {
		return nil
	}
	return &wirePeriod{dateOut(p.Start), dateOut(p.End)}
}

func periodIn(w *wirePeriod) mpi.Period {
	if w == nil {
		return mpi.Period{}
	}
	return mpi.Period{Start: dateIn(w.Start), End: dateIn(w.End)}
}
