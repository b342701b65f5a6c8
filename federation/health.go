package federation

import (
	"math"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An Operation is what a site was called for.
type Operation string

// The operations.
const (
	OperationSearch Operation = "search" // which documents it holds about a patient
	OperationFetch  Operation = "fetch"  // the bytes of a document, as far as their head
	OperationProbe  Operation = "probe"  // what it says of itself, asked by the exchange on its own
)

// A Call is one call of a site as it ended. It names no patient.
type Call struct {
	Site      hie.SiteID
	Operation Operation
	// Ended is when, Took how long it lasted.
	Ended time.Time
	Took  time.Duration
	Fate  Fate
	// Reason is a coded detail when it did not answer.
	Reason string
}

// Latencies are counted in places that rise by a tenth of a power of ten: place i is for what took up to
// 10^(i/10) ms, the last for all that took longer than 50 s. A quantile read from them is off by an eighth at most.
const latencyPlaces = 48

// A Tally counts calls. The zero Tally counts none; two may be added up in any order.
type Tally struct {
	// Answered includes answers without documents and those understood in part. Skipped calls were not made: the
	// breaker was open, or no permit was free.
	Answered, Refused, Failed, Late, Skipped int64
	// Took counts the calls made by how long they lasted; see latencyPlaces.
	Took [latencyPlaces]int64
}

// Add counts c.
func (t *Tally) Add(c Call) {
	switch c.Fate {
	case Answered, Empty, Partial:
		t.Answered++
	case Refused:
		t.Refused++
	case Late:
		t.Late++
	case Skipped:
		t.Skipped++
		return
	default:
		t.Failed++
	}
	t.Took[latencyPlace(c.Took)]++
}

// Plus returns t and u together.
func (t Tally) Plus(u Tally) Tally {
	t.Answered, t.Refused, t.Failed, t.Late, t.Skipped = t.Answered+u.Answered, t.Refused+u.Refused, t.Failed+u.Failed, t.Late+u.Late, t.Skipped+u.Skipped
	for i, n := range u.Took {
		t.Took[i] += n
	}
	return t
}

// Calls is how many times the site was to be called, those skipped among them.
func (t Tally) Calls() int64 { return t.Answered + t.Refused + t.Failed + t.Late + t.Skipped }

// ErrorRate is the share of calls that brought no answer, 0 to 1; 0 when there were none.
func (t Tally) ErrorRate() float64 {
	if n := t.Calls(); n > 0 {
		return float64(n-t.Answered) / float64(n)
	}
	return 0
}

// Quantile returns how long the fastest share q (0 to 1) of the calls made took at most; 0 when none was made.
func (t Tally) Quantile(q float64) time.Duration {
	var made int64
	for _, n := range t.Took {
		made += n
	}
	if made == 0 {
		return 0
	}
	rank := max(1, int64(math.Ceil(q*float64(made))))
	for i, n := range t.Took {
		if rank > n {
			rank -= n
			continue
		}
		low := time.Duration(0)
		if i > 0 {
			low = latencyBound(i - 1)
		}
		return low + time.Duration(float64(latencyBound(i)-low)*float64(rank)/float64(n))
	}
	return latencyBound(latencyPlaces - 1)
}

func latencyBound(place int) time.Duration {
	return time.Duration(math.Pow(10, float64(place)/10) * float64(time.Millisecond))
}

func latencyPlace(d time.Duration) int {
	if d <= time.Millisecond {
		return 0
	}
	return min(int(math.Ceil(10*math.Log10(float64(d)/float64(time.Millisecond))-1e-9)), latencyPlaces-1)
}

// A State is how a site is.
type State string

// The states.
const (
	StateUp      State = "up"
	StateSlow    State = "slow"    // it answers, and one call in twenty takes SlowFrom or longer
	StateFailing State = "failing" // half of the calls or more brought no answer
	StatePaused  State = "paused"  // the directory has taken it out
	StateQuiet   State = "quiet"   // it was not called lately, so nothing is known
)

// How sites are judged.
//
// Source: spec ux 1.2 (a fan-out shows what it has after 2 s); spec federation section 6.
const (
	// StateWindow is how far back calls count for a site's state, FigureWindow for its figures.
	StateWindow  = 5 * time.Minute
	FigureWindow = time.Hour
	SlowFrom     = 2 * time.Second
	// SampleLife is how long counts are kept.
	SampleLife = 48 * time.Hour
)

// StateOf says how a site is that the directory lets take part when active, by its calls within StateWindow.
func StateOf(active bool, recent Tally) State {
	switch {
	case !active:
		return StatePaused
	case recent.Calls() == 0:
		return StateQuiet
	case recent.Answered*2 <= recent.Calls():
		return StateFailing
	case recent.Quantile(.95) >= SlowFrom:
		return StateSlow
	}
	return StateUp
}

// A Count is what one operation of a site was like in one minute, over all nodes.
type Count struct {
	Site      hie.SiteID
	Operation Operation
	Minute    time.Time
	Tally
}

// A Condition is a site's state and since when it is in it. LastAnswer and LastPublish are zero for never.
type Condition struct {
	State                   State
	Since                   time.Time
	LastAnswer, LastPublish time.Time
}

// A Probe is what an endpoint said of itself when it was last asked; the zero Probe was never asked.
type Probe struct {
	Endpoint string
	Site     hie.SiteID
	Asked    time.Time
	Took     time.Duration
	Fate     Fate
	Reason   string
	// Software, Version and FHIRVersion are as its CapabilityStatement says, "" when it does not say. They are a site's
	// words: any text of up to 100 characters.
	Software, Version, FHIRVersion string
	// CertificateUntil is when its certificate ends, zero where there is no TLS.
	CertificateUntil time.Time
}

// spent sums up counts for which keep is true.
func spent(counts []Count, keep func(Count) bool) (out Tally) {
	for _, c := range counts {
		if keep(c) {
			out = out.Plus(c.Tally)
		}
	}
	return out
}

// A Point is what calling a site was like in a span of time that began At.
type Point struct {
	At time.Time
	Tally
}

// Points sums counts up in spans of step from from to to, one point a span, those without calls too. step divides the hour.
func Points(counts []Count, from, to time.Time, step time.Duration) []Point {
	from = from.Truncate(step)
	out := []Point{}
	for at := from; at.Before(to); at = at.Add(step) {
		out = append(out, Point{At: at})
	}
	for _, c := range counts {
		if i := int(c.Minute.Sub(from) / step); !c.Minute.Before(from) && i < len(out) {
			out[i].Tally = out[i].Plus(c.Tally)
		}
	}
	return slices.Clip(out)
}
