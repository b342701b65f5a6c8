package portal

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The languages of the pages, the first where nothing else is wanted.
var languages = []string{"en", "es"}

// wordFiles hold what pages say, a file an area. Each entry is a key in brackets and its words in every language:
//
//	[choice.yes]
//	en = Share my records with the people who treat me
//	es = Compartir mis registros con quienes me atienden
//
// {name} stands for a value given with the key.
//
//go:embed words/*.txt
var wordFiles embed.FS

// words are what pages say, by language and key.
type words map[string]map[string]string

// readWords reads all word files. It panics on a file that is not as described or lacks a language: a fault of the
// program that its tests find.
func readWords() words {
	out := words{}
	for _, l := range languages {
		out[l] = map[string]string{}
	}
	names, err := fs.Glob(wordFiles, "words/*.txt")
	if err != nil || len(names) == 0 {
		panic("portal: no word files")
	}
	for _, name := range names {
		raw, err := wordFiles.ReadFile(name)
		if err != nil {
			panic("portal: " + err.Error())
		}
		if err := out.read(string(raw)); err != nil {
			panic("portal: " + name + ": " + err.Error())
		}
	}
	for key := range out[languages[0]] {
		for _, l := range languages {
			if out[l][key] == "" {
				panic("portal: " + key + " has no words in " + l)
			}
		}
	}
	return out
}

func (w words) read(text string) error {
	key := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			key = line[1 : len(line)-1]
			if w[languages[0]][key] != "" {
				return fmt.Errorf("line %d: %s stands twice", i+1, key)
			}
		default:
			language, said, found := strings.Cut(line, "=")
			language = strings.TrimSpace(language)
			if !found || key == "" || !slices.Contains(languages, language) || w[language][key] != "" {
				return fmt.Errorf("line %d: not a language and its words", i+1)
			}
			w[language][key] = strings.TrimSpace(said)
		}
	}
	for _, l := range languages {
		for k := range w[l] {
			if w[languages[0]][k] == "" {
				return fmt.Errorf("%s has no words in %s", k, languages[0])
			}
		}
	}
	return nil
}

// say returns the words of key in language, with {name} replaced by the value after name in values. A key nobody wrote
// words for shows itself, so that it is seen; the tests let no page use one.
func (w words) say(language, key string, values ...any) string {
	s, ok := w[language][key]
	if !ok {
		return "⟦" + key + "⟧"
	}
	for i := 0; i+1 < len(values); i += 2 {
		s = strings.ReplaceAll(s, "{"+fmt.Sprint(values[i])+"}", fmt.Sprint(values[i+1]))
	}
	return s
}

// has reports whether there are words under key.
func (w words) has(key string) bool { return w[languages[0]][key] != "" }

// count says n of key: its words under key.one or key.many.
func (w words) count(language, key string, n any, values ...any) string {
	form := ".many"
	if fmt.Sprint(n) == "1" {
		form = ".one"
	}
	return w.say(language, key+form, append([]any{"n", number(language, n)}, values...)...)
}

// number writes a number as language does: 5,000 and 5.000.
func number(language string, n any) string {
	s := fmt.Sprint(n)
	if _, err := strconv.ParseInt(s, 10, 64); err != nil {
		return s
	}
	mark := map[string]string{"en": ",", "es": "."}[language]
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + mark + s[i:]
	}
	return s
}

// weight writes a weight of evidence with its sign: +12.5, −3.0; +12,5, −3,0.
func weight(language string, bits float64) string {
	s := strconv.FormatFloat(bits, 'f', 1, 64)
	switch {
	case bits > 0:
		s = "+" + s
	case bits < 0:
		s = "−" + s[1:]
	}
	if language == "es" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

var months = map[string][]string{
	"en": {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	"es": {"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"},
}

// day writes a date out: March 4, 2026; 4 de marzo de 2026. The zero time is "".
func day(language string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	m := months[language][t.Month()-1]
	if language == "es" {
		return fmt.Sprintf("%d de %s de %d", t.Day(), m, t.Year())
	}
	return fmt.Sprintf("%s %d, %d", m, t.Day(), t.Year())
}

// moment writes a time with its zone: March 4, 2026, 3:05 PM EST; 4 de marzo de 2026, 15:05 EST.
func moment(language string, t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case language == "es":
		return day(language, t) + ", " + t.Format("15:04 MST")
	}
	return day(language, t) + ", " + t.Format("3:04 PM MST")
}

// chooseLanguage returns the language somebody chose, else the first of ours that their browser asks for.
func (v *visit) chooseLanguage() string {
	if chosen := v.cookie(languageCookie); slices.Contains(languages, chosen) {
		return chosen
	}
	for _, part := range strings.Split(v.c.GetHeader("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		if base, _, _ := strings.Cut(strings.ToLower(tag), "-"); slices.Contains(languages, base) {
			return base
		}
	}
	return languages[0]
}

// setLanguage answers POST /language: the pages speak it from now on in this browser.
func (v *visit) setLanguage() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if chosen := form.Get("language"); slices.Contains(languages, chosen) {
		http.SetCookie(v.c.Writer, &http.Cookie{Name: v.cookieName(languageCookie), Value: chosen, Path: "/", MaxAge: 365 * 24 * 3600, Secure: v.secure,
			HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	return v.redirect(local(form.Get("next")))
}
