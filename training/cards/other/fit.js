// Makes every row fit its box, then writes into data-report what the cards show: the smallest capitals of a field in
// CSS pixels, and whatever would make a truth untrue (cut off, covered, overlapping, outside the card).
const shrink = 0.97, least = 0.5;

function fit(row) {
  const style = getComputedStyle(row);
  const first = parseFloat(style.fontSize);
  let size = first;
  while (row.scrollWidth > row.clientWidth + 1 && size > least * first) {
    const trap = row.querySelector('.trap');
    if (trap) {
      trap.remove();
      continue;
    }
    size *= shrink;
    row.style.fontSize = size + 'px';
  }
}

function capitals(element) {
  const style = getComputedStyle(element);
  const context = document.createElement('canvas').getContext('2d');
  context.font = `${style.fontStyle} ${style.fontWeight} 200px ${style.fontFamily}`;
  return context.measureText('H').actualBoundingBoxAscent * parseFloat(style.fontSize) / 200;
}

function apart(a, b) {
  return a.right <= b.left + 2 || b.right <= a.left + 2 || a.bottom <= b.top + 4 || b.bottom <= a.top + 4;
}

function examine(card) {
  const problems = [], boxes = [], own = card.getBoundingClientRect();
  let cap = 99;
  for (const row of card.querySelectorAll('.row')) {
    if (row.scrollWidth > row.clientWidth + 1) problems.push('wide ' + row.className);
  }
  for (const field of card.querySelectorAll('.field')) {
    const value = field.querySelector('b'), name = field.dataset.field, box = value.getBoundingClientRect();
    const height = field.classList.contains('symbol') ? 0.8 * value.firstChild.getBoundingClientRect().height : capitals(value);
    cap = Math.min(cap, height);
    if (box.left < own.left + 6 || box.right > own.right - 6 || box.top < own.top || box.bottom > own.bottom) problems.push('outside ' + name);
    for (let outer = field.parentElement; outer !== card; outer = outer.parentElement) {
      const style = getComputedStyle(outer), frame = outer.getBoundingClientRect();
      const cuts = style.overflow !== 'visible' || style.clipPath !== 'none';
      if (cuts && (box.top < frame.top || box.bottom > frame.bottom + 6)) problems.push('cut ' + name);
    }
    for (const share of [0.04, 0.5, 0.96]) {
      const seen = document.elementFromPoint(box.left + share * box.width, (box.top + box.bottom) / 2);
      if (!seen || !(field.contains(seen) || seen.contains(field))) problems.push('covered ' + name + ' by ' + (seen && seen.className));
    }
    for (const other of boxes) if (!apart(box, other.box)) problems.push(name + ' over ' + other.name);
    boxes.push({name, box});
  }
  for (const extra of card.querySelectorAll('.trap, .prose h4 > span, .prose h4 > em, .prose p')) {
    const box = extra.getBoundingClientRect();
    for (const other of boxes) if (!apart(box, other.box)) problems.push(extra.className + ' over ' + other.name);
  }
  return {cap, problems};
}

async function settle() {
  await Promise.all([...document.fonts].map(face => face.load()));
  for (const row of document.querySelectorAll('.row')) fit(row);
  for (const prose of document.querySelectorAll('.prose')) {
    while (prose.scrollHeight > prose.clientHeight && prose.lastElementChild) prose.lastElementChild.remove();
    if (!prose.lastElementChild) prose.style.display = 'none';
  }
  const reports = [...document.querySelectorAll('.card')].map(examine);
  document.body.dataset.report = JSON.stringify(reports);
}
settle();
