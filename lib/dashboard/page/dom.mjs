// What is shown comes from users (keys) and servers (messages). It becomes text nodes, never HTML.

export const byId = (id) => document.getElementById(id)

/** An element: `h('p.soft', 'text', child)`. Properties may come first. */
export function h(name, ...children) {
  const [tag, ...classes] = name.split('.')
  const element = document.createElement(tag)
  if (classes.length > 0) element.className = classes.join(' ')
  const [first] = children
  if (isProperties(first)) {
    children.shift()
    for (const [property, value] of Object.entries(first)) {
      if (property === 'role' || property.startsWith('aria-')) element.setAttribute(property, value)
      else element[property] = value
    }
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== false))
  return element
}

export function show(element, isShown) {
  element.hidden = !isShown
}

/** Only where it differs: a screen reader would say it again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

function isProperties(value) {
  return typeof value === 'object' && value !== null && !(value instanceof Node)
}
