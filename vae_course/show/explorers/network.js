// Weights that came as bytes, w = scale[row] · integer, or exactly; and dense networks.

/** Base64 as bytes. */
export function bytes(text) {
  return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}

/** Base64 as 32-bit floats. */
export function floats(text) {
  return new Float32Array(bytes(text).buffer);
}

/** The weights of a layer, row by row, and its bias. */
export function weights({ shape, exact, weight, scale, bias }) {
  if (exact) return { w: floats(exact), bias: floats(bias) };
  const integers = new Int8Array(bytes(weight).buffer);
  const scales = floats(scale);
  const columns = integers.length / shape[0];
  const w = Float32Array.from(integers, (n, i) => scales[Math.floor(i / columns)] * n);
  return { w, bias: floats(bias) };
}

/** A network from its description: layers with a ReLU between, a sigmoid if asked. */
export function network({ layers, sigmoid }) {
  const ready = layers.map((layer) => {
    const [rows, columns] = layer.shape;
    return { rows, columns, ...weights(layer), out: new Float32Array(rows) };
  });
  return (input) => {
    let x = input;
    ready.forEach((layer, place) => {
      const last = place === ready.length - 1;
      for (let r = 0; r < layer.rows; r++) {
        let sum = layer.bias[r];
        const start = r * layer.columns;
        for (let c = 0; c < layer.columns; c++) sum += layer.w[start + c] * x[c];
        if (!last) sum = sum > 0 ? sum : 0;
        else if (sigmoid) sum = 1 / (1 + Math.exp(-sum));
        layer.out[r] = sum;
      }
      x = layer.out;
    });
    return x;
  };
}

/** Grey values in [0, 1] on a small canvas, which others enlarge. */
export function greyPicture(values, width, height) {
  const small = document.createElement("canvas");
  small.width = width;
  small.height = height;
  const context = small.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const grey = Math.round(255 * Math.min(1, Math.max(0, values[i])));
    image.data.set([grey, grey, grey, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return small;
}

/** Grey pictures of side × side, a byte a pixel, one after the other in base64. */
export function strip(text, side) {
  const all = bytes(text);
  const pixels = side * side;
  return Array.from({ length: all.length / pixels }, (_, i) =>
    greyPicture(Array.from(all.subarray(i * pixels, (i + 1) * pixels), (v) => v / 255), side, side),
  );
}
