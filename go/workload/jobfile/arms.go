// SPDX-License-Identifier: MIT

package jobfile

import (
	"fmt"
	"slices"
)

// maxArms is the most that --engine and --matrix may multiply to.
const maxArms = 1000

// buildArms builds the jobs of every engine with every combination of the axes' values.
func (b *builder) buildArms(engines []string, axes []axis) []Arm {
	for _, name := range engines {
		engine, _ := parseEngine(name) // Known: applyEngine has looked.
		b.engines = append(b.engines, engine)
	}
	combinations := combine(engines, axes)
	if len(combinations) > maxArms {
		b.fail(&Error{Setting: "--matrix", Err: fmt.Errorf("makes %d combinations, %d are the most", len(combinations), maxArms)})
		combinations = combinations[:1]
	}
	var arms []Arm
	for _, choices := range combinations {
		if b.pointless(choices, axes) {
			continue
		}
		arm := Arm{Jobs: b.build(choices)}
		for _, c := range choices {
			arm.Choices = append(arm.Choices, Setting{Name: c.key, Value: c.value})
		}
		arms = append(arms, arm)
	}
	if len(arms) > 0 && len(arms[0].Jobs) > 0 {
		b.checkTaken(b.set)
		for _, axis := range axes {
			b.checkTaken([]setting{{line: "--matrix " + axis.option.Name, key: axis.option.Name}})
		}
	}
	return arms
}

// combine gives the settings of each arm, the engine first; but engines change before the axes do, so that those that
// are compared run one right after the other. The last axis changes before the others.
func combine(engines []string, axes []axis) [][]setting {
	combinations := [][]setting{nil}
	for _, axis := range axes {
		var longer [][]setting
		for _, choices := range combinations {
			for _, v := range axis.values {
				next := setting{line: "--matrix " + axis.option.Name + "=" + v, key: axis.option.Name, value: v}
				longer = append(longer, append(slices.Clone(choices), next))
			}
		}
		if len(longer) > maxArms {
			return longer
		}
		combinations = longer
	}
	if engines == nil {
		return combinations
	}
	var all [][]setting
	for _, choices := range combinations {
		for _, name := range engines {
			engine := setting{line: "--engine=" + name, key: "ioengine", value: name}
			all = append(all, append([]setting{engine}, choices...))
		}
	}
	return all
}

// pointless says that an arm differs from another one only in an option that its engine does not have.
func (b *builder) pointless(choices []setting, axes []axis) bool {
	if len(b.engines) == 0 {
		return false
	}
	engine, _ := parseEngine(choices[0].value)
	for i, axis := range axes {
		if !axis.option.knownWith(engine) && choices[i+1].value != axis.values[0] {
			return true
		}
	}
	return false
}
