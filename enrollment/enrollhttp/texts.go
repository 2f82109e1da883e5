package enrollhttp

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"example.com/enrollkit/enrollment"
)

// fallback is the language that has every text.
const fallback = "en"

// catalogue is one language: texts/{language}.json.
type catalogue struct {
	Texts map[string]string   `json:"texts"`
	Steps map[string][]string `json:"steps"` // by "platform.action" or "mode.action"
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

// loadTexts reads every catalogue. One that is replaced keeps the texts that
// its replacement does not have.
func loadTexts(built, overlay fs.FS) (map[string]catalogue, error) {
	all := map[string]catalogue{}
	for _, tree := range []fs.FS{built, overlay} {
		names, err := fs.Glob(tree, "texts/*.json")
		if err != nil {
			return nil, fmt.Errorf("enrollhttp: %w", err)
		}
		for _, name := range names {
			tag := strings.TrimSuffix(path.Base(name), ".json")
			if !languageTag.MatchString(tag) {
				return nil, fmt.Errorf("enrollhttp: %s: want the name of a language, like cs.json", name)
			}
			text, err := fs.ReadFile(tree, name)
			if err != nil {
				return nil, fmt.Errorf("enrollhttp: %w", err)
			}
			merged := all[tag]
			if err := json.Unmarshal(text, &merged); err != nil { // adds to the maps that are there
				return nil, fmt.Errorf("enrollhttp: %s: %w", name, err)
			}
			all[tag] = merged
		}
	}
	return all, nil
}

// words speaks one language to one reader.
type words struct {
	Lang  string
	speak []catalogue // the reader's, then the fallback
	vars  *strings.Replacer
}

// words returns the language for a reader and a site. A page without a site
// takes any language it has.
func (p *pages) words(lang string, vars ...string) words {
	return words{Lang: lang, speak: []catalogue{p.texts[lang], p.texts[fallback]}, vars: strings.NewReplacer(vars...)}
}

// languages lists what a page of a site can speak, the default first.
func (p *pages) languages(site enrollment.Site) []string {
	var list []string
	for _, tag := range site.Languages {
		if _, ok := p.texts[tag]; ok {
			list = append(list, tag)
		}
	}
	if len(list) > 0 {
		return list
	}
	list = []string{fallback}
	if site.ID == "" { // nobody to say which
		for tag := range p.texts {
			if tag != fallback {
				list = append(list, tag)
			}
		}
		slices.Sort(list[1:])
	}
	return list
}

// T returns the text of the first key that has one, with its variables filled
// in. Templates call it.
func (w words) T(keys ...string) string {
	for _, key := range keys {
		for _, c := range w.speak {
			if text, ok := c.Texts[key]; ok {
				return w.vars.Replace(text)
			}
		}
	}
	return ""
}

// steps returns the list of the first key that has one.
func (w words) steps(keys ...string) []string {
	for _, key := range keys {
		for _, c := range w.speak {
			if list, ok := c.Steps[key]; ok {
				filled := make([]string, len(list))
				for i, text := range list {
					filled[i] = w.vars.Replace(text)
				}
				return filled
			}
		}
	}
	return nil
}
