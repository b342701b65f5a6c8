package consent

import (
	"slices"
	"strings"
	"sync/atomic"
)

// A duty is an obligation that can go with a release. The first ones are the engine's own; rules add theirs.
//
// Source: spec consent 2.11; spec consent-cases, "Obligations".
type duty struct {
	text string // "P2-NOTICE", "DELAU:2026-06-30"
	name string // up to the colon: what a requester declares that it can honour
	// fromRule says a rule may attach it; then a requester that did not declare it is refused.
	mandatory bool
}

// The engine's own obligations, in the order of their duty numbers.
var ownDuties = [...]string{"AUDIT", "RECHECK", "LABELS", "MINEC", "AOD", "BTG-REVIEW", "NOTIFY-PATIENT", "NOTIFY-SITE", "P2-EMERGENCY-RECORD"}

const (
	dutyAudit = iota
	dutyRecheck
	dutyLabels
	dutyMinec
	dutyAOD
	dutyReview
	dutyNotifyPatient
	dutyNotifySite
	dutyPart2Record
)

// The names of the obligations that a directive brings.
const (
	dutyErase     = "DELAU"
	dutyFrequency = "FREQUENCY"
)

// dutySet is a set of duty numbers; rules may name at most maxDuties different ones before the set spills.
type dutySet struct {
	own  uint16
	rule [2]uint64
	more *[]int    // duty numbers beyond the bits, nil for nearly everybody
	said *[]string // obligations a directive brings, nil for nearly everybody; each is mandatory
}

const maxRuleDuties = 128

func (s *dutySet) addOwn(n int) { s.own |= 1 << n }

func (s *dutySet) addRule(n int) {
	if n < maxRuleDuties {
		s.rule[n/64] |= 1 << (n % 64)
		return
	}
	if s.more == nil {
		s.more = new([]int)
	}
	*s.more = append(*s.more, n)
}

// addText adds an obligation that a directive brings.
func (s *dutySet) addText(text string) {
	if s.said == nil {
		s.said = new([]string)
	}
	*s.said = append(*s.said, text)
}

// addDuty registers an obligation of a rule and returns its number among the rules' obligations.
func (e *Env) addDuty(text string) int {
	if i := slices.IndexFunc(e.duties, func(d duty) bool { return d.text == text }); i >= 0 {
		return i
	}
	name := dutyName(text)
	e.duties = append(e.duties, duty{text: text, name: name, mandatory: name != "AOD" && name != "P2-EMERGENCY-RECORD"})
	return len(e.duties) - 1
}

// dutyName is an obligation up to the colon: what a requester declares that it can honour.
func dutyName(text string) string {
	name, _, _ := strings.Cut(text, ":")
	return name
}

// each calls f with every rule duty of s.
func (s *dutySet) each(e *Env, f func(duty) bool) bool {
	for n := range min(len(e.duties), maxRuleDuties) {
		if s.rule[n/64]>>(n%64)&1 == 1 && !f(e.duties[n]) {
			return false
		}
	}
	if s.more != nil {
		for _, n := range *s.more {
			if !f(e.duties[n]) {
				return false
			}
		}
	}
	return true
}

// honoured reports whether a requester with these abilities can honour every mandatory obligation of s.
func (s *dutySet) honoured(e *Env, abilities []string) bool {
	if s.said != nil && slices.ContainsFunc(*s.said, func(text string) bool { return !slices.Contains(abilities, dutyName(text)) }) {
		return false
	}
	if s.rule == [2]uint64{} && s.more == nil {
		return true
	}
	return s.each(e, func(d duty) bool { return !d.mandatory || slices.Contains(abilities, d.name) })
}

// texts returns the obligations of s, sorted, each once. Sets that recur share one slice, which nobody may write.
func (s *dutySet) texts(e *Env) []string {
	if s.more == nil && s.said == nil {
		if t := e.dutySets.find(dutyKey{s.own, s.rule}); t != nil {
			return t
		}
	}
	var out []string
	for i, text := range ownDuties {
		if s.own>>i&1 == 1 {
			out = append(out, text)
		}
	}
	s.each(e, func(d duty) bool { out = append(out, d.text); return true })
	if s.said != nil {
		for _, text := range *s.said {
			out = append(out, strings.Clone(text)) // cloned, or every query would move to the heap
		}
	}
	slices.Sort(out)
	out = slices.Clip(slices.Compact(out))
	if s.more == nil && s.said == nil {
		e.dutySets.keep(dutyKey{s.own, s.rule}, out)
	}
	return out
}

type dutyKey struct {
	own  uint16
	rule [2]uint64
}

// dutyCache remembers the texts of sets seen: there are few, and most releases have the same one. Readers never wait.
type dutyCache struct {
	sets atomic.Pointer[map[dutyKey][]string]
	last atomic.Pointer[dutyTexts]
}

type dutyTexts struct {
	key   dutyKey
	texts []string
}

func (c *dutyCache) find(k dutyKey) []string {
	if l := c.last.Load(); l != nil && l.key == k {
		return l.texts
	}
	if m := c.sets.Load(); m != nil {
		return (*m)[k]
	}
	return nil
}

func (c *dutyCache) keep(k dutyKey, texts []string) {
	c.last.Store(&dutyTexts{k, texts})
	old := c.sets.Load()
	next := map[dutyKey][]string{k: texts}
	if old != nil {
		if len(*old) >= 1024 {
			return // beyond that sets are made afresh
		}
		for k, v := range *old {
			next[k] = v
		}
	}
	c.sets.CompareAndSwap(old, &next) // losing a race costs one more making of the set
}
